"""Restarts under load: the longest that any case takes while workers are restarted, added, stopped or killed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from servicecert_cli.stand.system import System, worker_names
from servicecert_schemas.topics import SERVICES

from bench.load import requests
from bench.results import keep, percentiles
from bench.stand import measured_system
from bench.whole_way import at_rate

WORKERS = 2
RATE = 5
SECONDS = 90.0
"""Of load, longer than any of the changes takes."""
AIM_SECONDS = 3.0


async def measure(share: float) -> None:
    """Measure each kind of change, one worker after another, at a steady rate of applications."""
    csrs = requests("ec")
    async with measured_system(workers=WORKERS) as system:
        await at_rate(system, csrs, RATE, 20.0 * share)
        for what, change in CHANGES.items():
            times, _ = await asyncio.gather(at_rate(system, csrs, RATE, SECONDS * share), change(system))
            keep(f"longest-case-{what}", max(times) / 1000, "s", "aim of a rolling restart", AIM_SECONDS)
            print(f"  {len(times)} cases, p50 {percentiles(times)['p50'] / 1000:.2f} s", flush=True)


async def _restarted(system: System) -> None:
    """Restart every worker, each once the one before is ready."""
    for name in system.workers:
        await asyncio.to_thread(system.children[name].stop)
        system.start(name)
        await system.ready(name)


async def _added(system: System) -> None:
    """Add a worker to each service, then stop it."""
    for service in SERVICES:
        name = worker_names(service, WORKERS + 1)[-1]
        system.start(name)
        await system.ready(name)
        await asyncio.to_thread(system.children[name].stop)


async def _killed(system: System) -> None:
    """Kill a worker of each service, and start it again at once, as a supervisor does."""
    for service in SERVICES:
        await asyncio.to_thread(system.children[service].kill)
        system.start(service)
        await system.ready(service)


CHANGES: Mapping[str, Callable[[System], Awaitable[None]]] = {
    "steady": lambda _: asyncio.sleep(0),
    "rolling-restart": _restarted,
    "added-and-stopped": _added,
    "killed": _killed,
}
