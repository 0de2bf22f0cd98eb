"""Grafana's dashboards: the files are those of the code, and every panel says what it shows."""

import json
import re
from pathlib import Path

import pytest
import yaml
from servicecert_monitoring import DASHBOARDS, grafana, units
from servicecert_monitoring.panel import Colour, Limit, Panel, limit_of
from servicecert_schemas.topics import SERVICES

from docs import pages

DEPLOY = Path(grafana.__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
FILES = grafana.files(DASHBOARDS)
PANELS = [panel for dashboard in DASHBOARDS for row in dashboard.rows for panel in row.panels]
EXPRESSIONS = [expression for panel in PANELS for expression in panel.queries.values()]
EVERYWHERE = {"up", "ALERTS"}
CANARYS = {
    "servicecert_canary_last_success_timestamp_seconds",
    "servicecert_canary_runs_total",
    "servicecert_canary_stage_seconds",
}


def rules(file):
    content = yaml.safe_load((PROMETHEUS / file).read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def test_the_files_are_those_of_the_code():
    committed = {path: path.read_text() for path in grafana.FOLDER.glob("*.json")}
    assert committed == FILES, "run `make format`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_panel_has_its_place_its_source_and_its_words(path):
    content = json.loads(FILES[path])
    panels = [panel for panel in content["panels"] if panel["type"] != "row"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["datasource"]["uid"] == "prometheus" for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])


def test_a_services_dashboard_lets_its_reader_choose_any_service():
    (variable,) = json.loads(FILES[grafana.FOLDER / "service.json"])["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("service", "custom")
    assert tuple(variable["query"].split(",")) == SERVICES


def test_limits_colour_values_from_the_smallest_up():
    def panel(*limits):
        return Panel("x", {"": "x"}, limits=limits)

    above = panel(Limit(10, "B", Colour.RED), Limit(5, "A"))
    assert above.steps == ((None, Colour.GREEN), (5, Colour.ORANGE), (10, Colour.RED))
    below = panel(Limit(10, "A", below=True), Limit(5, "B", Colour.RED, below=True))
    assert below.steps == ((None, Colour.RED), (5, Colour.ORANGE), (10, Colour.GREEN))


def test_a_limit_is_that_of_its_alert():
    assert limit_of("LagHigh") == Limit(60, "LagHigh")
    assert limit_of("CrlAges") == Limit(129_600, "CrlAges", Colour.RED, below=True)
    assert limit_of("DeliveryLate").value == 0
    # What an alert allows none of has its limit at the first.
    assert limit_of("Parked").value == 1


def test_each_alert_that_a_panel_names_exists():
    alerts = {rule["alert"] for rule in rules("alerts.yml") if "alert" in rule}
    for panel in PANELS:
        compound = re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", panel.about)
        announced = re.findall(r"[Aa]lerts? ([A-Z]\w+)", panel.about)
        assert {*compound, *announced} <= alerts, panel.title


def test_each_metric_is_one_that_processes_show_or_rules_record():
    documented = {row[0].strip("`") for row in pages.rows(pages.METRICS, "metrics")}
    recorded = {rule["record"] for rule in rules("recording.yml")}
    known = documented | recorded | EVERYWHERE | CANARYS
    for expression in EXPRESSIONS:
        for name in re.findall(r"\b(?:servicecert|kafka|process)[_:][\w:]+|\bup\b|\bALERTS\b", expression):
            assert re.sub(r"(?<=_seconds)_(bucket|count|sum)$", "", name) in known, expression


def test_values_are_written_as_people_read_them():
    assert [units.SECONDS.text(each) for each in (0, 0.25, 90, 86_400)] == ["0 s", "250 ms", "1.5 min", "1 d"]
    assert [units.COUNT.text(each) for each in (0, 12, 1_500)] == ["0", "12", "1500"]
    assert units.SHARE.text(0.995) == "99.5 %"
