"""Two faults in a running system: a real Prometheus rings both alerts, and no other."""

import asyncio
import shutil
import subprocess
from contextlib import AsyncExitStack

import aiohttp
import pytest

from alarms import rules
from alarms.faults import BY_NAME
from alarms.run import fired_since
from alarms.stand import now, open_stand, until, until_quiet

TWO = ("poison burst", "OCSP responder dead")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed: Debian's prometheus"),
]


async def test_faults_ring_their_alerts_and_what_is_scraped_is_well_formed(tmp_path) -> None:
    faults = [BY_NAME[name] for name in TWO]
    async with open_stand(tmp_path / "stand", seconds=2.0) as stand:
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


def within(fault) -> float:
    return rules.alerts()[fault.alert].within


async def ring(stand, alerts) -> bool:
    return bool(alerts <= await stand.firing())


def promtool(metrics: bytes) -> str:
    """Return what promtool has against metrics."""
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode().strip()
