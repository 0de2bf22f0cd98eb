"""Makes Grafana's JSON of the dashboards, with Grafana's own builders."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .panel import Dashboard, Panel, Row, Stat, States, Table

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source of deploy/grafana/provisioning."""
COLUMNS = 24
"""The width of Grafana's grid."""
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
    for number, (element, place) in enumerate(_placed(content.rows), 1):
        if isinstance(element, Row):
            builder.with_row(dashboard.Row(element.title).id(number).grid_pos(place))
        else:
            builder.with_panel(_panel(element).id(number).grid_pos(place))
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(builder.build()) + "\n"


def _placed(rows: Iterable[Row]) -> Iterator[tuple[Row | Panel, models.GridPos]]:
    """Yield each heading and panel with its place: from left to right, and on a new line where none is left."""
    top = 0
    for row in rows:
        yield row, models.GridPos(1, COLUMNS, 0, top)
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            width, height = panel.width or row.width, panel.height or row.height
            if left + width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            yield panel, models.GridPos(height, width, left, top)
            left, tallest = left + width, max(tallest, height)
        top += tallest


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
