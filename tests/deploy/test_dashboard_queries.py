"""Every expression of the dashboards, asked of a real Prometheus that has watched a real system."""

import re

import pytest
from servicecert_launcher import DeployError
from servicecert_launcher.prometheus import find_prometheus
from servicecert_monitoring import DASHBOARDS
from servicecert_monitoring.recording import recorded

pytest.importorskip("matplotlib", reason="`make test-long` installs matplotlib")

from servicecert_monitoring import page

SECONDS = 40


@pytest.fixture(scope="module", autouse=True)
def prometheus():
    try:
        find_prometheus()
    except DeployError as missing:
        pytest.skip(str(missing))


@pytest.mark.long
async def test_every_expression_finds_series_and_every_panel_is_drawn(tmp_path):
    async with recorded(tmp_path, SECONDS) as recording:
        answers = await recording.all_answers(DASHBOARDS)
        families = recording.prometheus.families()
        drawn = page.write(tmp_path, recording, answers).read_text()

    for dashboard in DASHBOARDS:
        found = [answers[dashboard, service] for service in dashboard.services or ("",)]
        for panel in dashboard.panels:
            assert f">{panel.title}</text>" in drawn
            for query in panel.queries:
                # What only some services do, such as signing, has series of those.
                assert any(each[query] for each in found), query.expr
                scraped = re.findall(r"(?<![\w:])(?:servicecert|kafka|process)_\w+", query.expr)
                assert {re.sub(r"_(bucket|count)$", "", name) for name in scraped} <= families, query.expr
                assert panel.nothing != "no data" or all(each[query] for each in found), query.expr
    assert drawn.count("<svg") == len(answers) == len(list(tmp_path.glob("*.png")))
