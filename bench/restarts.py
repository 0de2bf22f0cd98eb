"""Restarts under load: the longest that any case waits while workers are restarted, added, stopped or killed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from servicecert_cli.connections import kafka
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.stand.system import System, worker_names
from servicecert_schemas.topics import NOTIFICATIONS, SERVICES

from bench import load
from bench.results import keep, percentiles
from bench.stand import measured_system

WORKERS = 2
RATE = 5
STEADY_SECONDS = 20.0
AIM_SECONDS = 3.0
PATIENCE = 120.0


async def measure() -> None:
    """Measure each kind of change, one worker after another, at a steady rate of applications."""
    async with measured_system(workers=WORKERS) as system:
        with tempfile.TemporaryDirectory() as folder:
            csrs = await load.requests("ec", Path(folder))
        await publish(system.cluster, load.opening())
        await _longest(system, csrs, "warm-up", _steady)
        for what, change in (
            ("steady", _steady),
            ("rolling-restart", _restarted),
            ("added-and-stopped", _added),
            ("killed", _killed),
        ):
            longest = await _longest(system, csrs, what, change)
            keep(f"longest-case-{what}", longest, "s", "aim of a rolling restart", AIM_SECONDS)


async def _longest(system: System, csrs: list[str], what: str, change: Callable[[System], Awaitable[None]]) -> float:
    """Return the longest time of a case from its application to its mail, in seconds, while the change happens."""
    async with _cases(system, csrs) as seconds:
        await change(system)
    times = percentiles(seconds)
    print(f"  {what}: {len(seconds)} cases, p50 {times['p50']:.2f} s, longest {max(seconds):.2f} s", flush=True)
    return max(seconds)


@asynccontextmanager
async def _cases(system: System, csrs: list[str]) -> AsyncIterator[list[float]]:
    """Send applications at the rate until the context ends, then wait for all mails; yields their times, at the end."""
    sent: dict[bytes, float] = {}
    seconds: list[float] = []
    ended = asyncio.Event()

    async def send() -> None:
        started = perf_counter()
        async with kafka.producer(system.cluster) as producer:
            while not ended.is_set():
                (record,) = load.records(1, csrs)
                sent[record.key] = perf_counter()
                topic = system.cluster.prefix + record.topic
                await producer.send_and_wait(topic, value=record.value, key=record.key, headers=record.headers)
                await asyncio.sleep(max(0.0, started + len(sent) / RATE - perf_counter()))

    async with load.watching(system.cluster, NOTIFICATIONS) as watch:
        sending = asyncio.create_task(send())
        try:
            yield seconds
        finally:
            ended.set()
            await sending
        await watch.until(len(sent), PATIENCE)
    seconds.extend(watch.seen_at[key] - at for key, at in sent.items())


async def _steady(_: System) -> None:
    await asyncio.sleep(STEADY_SECONDS)


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


if __name__ == "__main__":
    asyncio.run(measure())
