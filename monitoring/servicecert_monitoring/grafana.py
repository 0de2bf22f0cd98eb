"""Makes Grafana's JSON of the dashboards, with Grafana's own builders."""

from itertools import count
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .panel import Dashboard, Panel, Stat, States, Table

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source of deploy/grafana/provisioning."""
_TAG = "servicecert"

_Builder = timeseries.Panel | stat.Panel | statetimeline.Panel | table.Panel


def files(dashboards: tuple[Dashboard, ...]) -> dict[Path, str]:
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
    numbers = count(1)
    for row in content.rows:
        builder.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            width, height = panel.width or row.width, panel.height or row.height
            builder.with_panel(_panel(panel).id(next(numbers)).span(width).height(height))
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(builder.build()) + "\n"


def _variable(services: tuple[str, ...]) -> dashboard.CustomVariable:
    each = [models.VariableOption(text=name, value=name, selected=name == services[0]) for name in services]
    variable = dashboard.CustomVariable("service").label("Service").values(",".join(services))
    return variable.options(each).current(each[0])


def _panel(panel: Panel) -> _Builder:
    builder = _common(_kind(panel), panel)
    for number, (legend, expr) in enumerate(panel.queries.items()):
        query = prometheus.Dataquery().expr(expr).datasource(SOURCE).ref_id("ABCDEFGH"[number])
        if isinstance(panel, Table):
            query.format(PromQueryFormat.TABLE).instant()
        else:
            query.legend_format(legend).range()
        builder.with_target(query)
    return builder


def _kind(panel: Panel) -> _Builder:
    match panel:
        case Stat():
            return (
                stat.Panel()
                .color_mode(options.BigValueColorMode.BACKGROUND_SOLID)
                .graph_mode(options.BigValueGraphMode.AREA)
                .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
            )
        case States():
            return statetimeline.Panel().merge_values(True).show_value(options.VisibilityMode.AUTO)
        case Table():
            place = {name: number for number, name in enumerate(panel.columns)}
            hidden = dict.fromkeys(("Time", "Value", "__name__", "job", "service", "instance"), True)
            shown = {"excludeByName": {name: True for name in hidden if name not in place}, "indexByName": place}
            return table.Panel().with_transformation(models.DataTransformerConfig(id_val="organize", options=shown))
    return _lines(panel)


def _lines(panel: Panel) -> timeseries.Panel:
    builder = (
        timeseries.Panel()
        .axis_label(panel.unit.axis)
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
    steps = [models.Threshold(value=least, color=colour) for least, colour in panel.steps]
    builder.title(panel.title).datasource(SOURCE).unit(panel.unit.grafana).no_value(panel.nothing)
    builder.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.description:
        builder.description(panel.description)
    if isinstance(panel, States):
        named = {
            f"{value:g}": models.ValueMappingResult(text=state.text, color=state.colour, index=number)
            for number, (value, state) in enumerate(panel.states.items())
        }
        builder.mappings([models.ValueMap(options=named)])
    if not isinstance(panel, Table):
        by_limit = isinstance(panel, Stat | States)
        mode = models.FieldColorModeId.THRESHOLDS if by_limit else models.FieldColorModeId.PALETTE_CLASSIC
        builder.color_scheme(dashboard.FieldColor().mode(mode))
    return builder
