"""A running system and a real Prometheus over it: two faults ring their alerts, and each panel shows something."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio
from servicecert_monitoring import DASHBOARDS

from alarms import rules
from alarms.faults import BY_NAME
from alarms.run import fired_since
from alarms.stand import Stand, now, open_stand, until, until_quiet

TWO = ("poison burst", "OCSP responder dead")
SCRAPE_SECONDS = 2.0
PATIENCE_SECONDS, SHOWN_SECONDS = 240.0, 600.0
QUERIES = [
    (panel, expression, dashboard.services or ("",))
    for dashboard in DASHBOARDS
    for row in dashboard.rows
    for panel in row.panels
    for expression in panel.queries.values()
]
METRIC = re.compile(r"(?<![\w:])(?:servicecert|kafka|process)_\w+")

pytestmark = [
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed: Debian's prometheus"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path_factory.mktemp("stand"), seconds=SCRAPE_SECONDS) as stand:
        yield stand


async def test_faults_ring_their_alerts_and_what_is_scraped_is_well_formed(stand: Stand) -> None:
    faults = [BY_NAME[name] for name in TWO]
    await until_quiet(stand)
    async with aiohttp.ClientSession() as session:
        for name in stand.system.processes:
            async with session.get(f"http://{stand.system.health(name)}/metrics") as answer:
                judged = await asyncio.to_thread(promtool, await answer.read())
            assert judged == "", f"{name}: {judged}"
    began = now()
    async with AsyncExitStack() as injected, asyncio.timeout(max(map(within, faults))):
        for fault in faults:
            await injected.enter_async_context(fault.injected(stand))
        await until(lambda: ring(stand, {fault.alert for fault in faults}), 0.5)
    await until_quiet(stand)
    assert fired_since(stand, began) == {fault.alert for fault in faults}


async def test_every_query_of_every_panel_finds_series(stand: Stand) -> None:
    async with BY_NAME["poison burst"].injected(stand):
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await until(lambda: is_all_found(stand), 2.0)
        except TimeoutError:
            assert await asyncio.to_thread(unfound, stand) == []
    known = await asyncio.to_thread(stand.prometheus.families)
    for name in {name for _, expression, _ in QUERIES for name in METRIC.findall(expression)}:
        assert re.sub(r"_(bucket|count)$", "", name) in known


async def is_all_found(stand: Stand) -> bool:
    return not await asyncio.to_thread(unfound, stand)


def unfound(stand: Stand) -> list[str]:
    """Return the expressions without a number: what only some services do, such as signing, has some of those."""
    return [
        expression
        for panel, expression, services in QUERIES
        if not (all if panel.nothing == "no data" else any)(finds(stand, expression, each) for each in services)
    ]


def finds(stand: Stand, expression: str, service: str) -> bool:
    expression, end = expression.replace("$__rate_interval", "10s").replace("$service", service), now()
    found = stand.prometheus.range(expression, end - SHOWN_SECONDS, end, 2 * SCRAPE_SECONDS)
    return any(not math.isnan(value) for series in found for _, value in series.samples)


def within(fault) -> float:
    return rules.alerts()[fault.alert].within


async def ring(stand, alerts) -> bool:
    return bool(alerts <= await stand.firing())


def promtool(metrics: bytes) -> str:
    """Return what promtool has against metrics."""
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode().strip()
