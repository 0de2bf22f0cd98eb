"""Makes Grafana's JSON of the dashboards, with Grafana's own builders."""

from pathlib import Path

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .panel import Dashboard, Kind, Panel, Place, Query, Row

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source of deploy/grafana/provisioning."""
_TAG = "servicecert"

_Builder = timeseries.Panel | stat.Panel | statetimeline.Panel | table.Panel


def files(dashboards: tuple[Dashboard, ...]) -> dict[Path, str]:
    """Return the content of each file."""
    return {FOLDER / f"{each.name}.json": _json(each) for each in dashboards}


def _json(content: Dashboard) -> str:
    builder = (
        dashboard.Dashboard(f"Service certificates: {content.title}")
        .uid(f"servicecert-{content.name}")
        .description(content.about)
        .tags([_TAG])
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Service certificates")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .as_dropdown(True)
            .keep_time(True)
        )
    )
    if content.services:
        builder.with_variable(_variable(content.services))
    for number, (element, place) in enumerate(content.placed(), 1):
        if isinstance(element, Row):
            builder.with_row(dashboard.Row(element.title).id(number).grid_pos(_grid(place)))
        else:
            builder.with_panel(_panel(element).id(number).grid_pos(_grid(place)))
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(builder.build()) + "\n"


def _grid(place: Place) -> models.GridPos:
    return models.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)


def _variable(services: tuple[str, ...]) -> dashboard.CustomVariable:
    each = [models.VariableOption(text=name, value=name, selected=name == services[0]) for name in services]
    variable = dashboard.CustomVariable("service").label("Service").values(",".join(services))
    return variable.options(each).current(each[0])


def _panel(panel: Panel) -> _Builder:
    builder = _common(_kind(panel), panel)
    for number, query in enumerate(panel.queries):
        builder.with_target(_query(panel, query).ref_id("ABCDEFGH"[number]))
    return builder


def _kind(panel: Panel) -> _Builder:
    match panel.kind:
        case Kind.LINES:
            return _lines(panel)
        case Kind.STAT:
            return (
                stat.Panel()
                .color_mode(options.BigValueColorMode.BACKGROUND_SOLID)
                .graph_mode(options.BigValueGraphMode.AREA)
                .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            )
        case Kind.STATES:
            return statetimeline.Panel().merge_values(True).show_value(options.VisibilityMode.AUTO)
        case Kind.TABLE:
            place = {name: number for number, name in enumerate(panel.columns)}
            hidden = dict.fromkeys(("Time", "Value", "__name__", "job", "service", "instance"), True)
            shown = {"excludeByName": {name: True for name in hidden if name not in place}, "indexByName": place}
            return table.Panel().with_transformation(models.DataTransformerConfig(id_val="organize", options=shown))


def _lines(panel: Panel) -> timeseries.Panel:
    builder = (
        timeseries.Panel()
        .axis_label(panel.axis or panel.unit.axis)
        .axis_soft_min(0)
        .line_width(1)
        .show_points(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    )
    if panel.stacked:
        builder.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL)).fill_opacity(30)
    if panel.limits:
        line = common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        builder.thresholds_style(line)
    return builder


def _common(builder: _Builder, panel: Panel) -> _Builder:
    steps = [models.Threshold(value=least, color=colour.value) for least, colour in panel.steps]
    builder.title(panel.title).datasource(SOURCE).unit(panel.unit.grafana).no_value(panel.nothing)
    builder.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.description:
        builder.description(panel.description)
    if panel.states:
        named = {
            f"{value:g}": models.ValueMappingResult(text=state.text, color=state.colour.value, index=number)
            for number, (value, state) in enumerate(panel.states.items())
        }
        builder.mappings([models.ValueMap(options=named)])
    if panel.kind is Kind.LINES:
        builder.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    elif panel.kind is not Kind.TABLE:
        builder.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    return builder


def _query(panel: Panel, query: Query) -> prometheus.Dataquery:
    builder = prometheus.Dataquery().expr(query.expr).datasource(SOURCE)
    if panel.kind is Kind.TABLE:
        return builder.format(PromQueryFormat.TABLE).instant()
    return builder.legend_format(query.legend).range()
