"""The measured system: all parts on this machine, one worker of each service, and a mail sink."""

import asyncio
import multiprocessing
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import psutil
from servicecert_cli.admin.lag import meter, read_by
from servicecert_cli.connections.kafka import publish
from servicecert_cli.stand.system import System, service_of, worker_names
from servicecert_launcher import Child, Postgres
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.faults import backoff
from servicecert_worker.storage.database import connected

from bench.load import OPENING

SINK = Path(__file__).with_name("smtp_sink.py")
GROW_SECONDS = 300.0
IDLE_SECONDS = 600.0

Measured = tuple[float, dict[str, float]]
"""Certificates per second, and the milliseconds of processor time of each part for a certificate."""


def scaled(count: int, share: float) -> int:
    return max(20, int(count * share))


@asynccontextmanager
async def measured_system(
    workers: int | Mapping[str, int] = 1, *, token: bool = False, environment: Mapping[str, str] | None = None
) -> AsyncIterator[System]:
    """Run so many workers of each service, with mails to the sink; `environment` is added to each service's."""
    async with _mail_sink() as port:
        # All applications come from one account.
        own = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SERVICECERT_MOST_EVENTS": "1000000000"}
        environment = {**own, **(environment or {})}
        with tempfile.TemporaryDirectory(prefix="servicecert-bench-") as folder:
            async with System(Path(folder), workers=workers, token=token, environment=environment) as system:
                await publish(system.cluster, OPENING)
                yield system


@asynccontextmanager
async def _mail_sink() -> AsyncIterator[int]:
    sink = await asyncio.create_subprocess_exec(sys.executable, str(SINK), stdout=asyncio.subprocess.PIPE)
    try:
        assert sink.stdout is not None
        yield int((await sink.stdout.readline()).split()[1])
    finally:
        sink.terminate()
        await sink.wait()


async def grow(system: System, workers: int) -> None:
    """Add workers until each service has that many, each with its share of the partitions."""
    names = [name for service in SERVICES for name in worker_names(service, workers)]
    for name in names:
        if name not in system.children:
            system.start(name)
    await system.ready(*names)
    async with asyncio.timeout(GROW_SECONDS):
        async for _ in backoff(longest=0.5):
            if all([(await system.metrics(name)).get("servicecert_assigned_partitions") for name in names]):
                return


def median_of(measured: Sequence[Measured]) -> Measured:
    """Return the median rate, and the median cost of each part."""
    rates, costs = zip(*measured, strict=True)
    return median(rates), {part: median(each[part] for each in costs) for part in costs[0]}


async def idle(system: System, services: Sequence[str] = SERVICES) -> None:
    """Wait until these services have handled and published everything. Raises TimeoutError."""
    tables = (f"(select count(*) from {service}.{each})" for service in services for each in ("outbox", "intents"))
    query = f"select {' + '.join(tables)}"
    cluster = system.cluster
    async with (
        meter(cluster) as lags,
        connected(system.backends.admin_url) as connection,
        asyncio.timeout(IDLE_SECONDS),
    ):
        async for _ in backoff(longest=0.5):
            if await connection.fetchval(query):
                continue
            look = await lags.look(read_by(services), datetime.now(UTC))
            if not any(each.messages for each in look.lags):
                return


@contextmanager
def database_server() -> Iterator[Postgres]:
    """Run an empty database server, with the settings of the measured system's."""
    postgres = Postgres()
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()


@contextmanager
def frozen(children: Iterable[Child]) -> Iterator[None]:
    stopped = list(children)
    try:
        for child in stopped:
            child.freeze()
        yield
    finally:
        for child in stopped:
            child.thaw()


def in_processes(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run the same work in `count` new processes at once, and return their results; `work` may be a coroutine."""
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        return pool.starmap(_call, [(work, arguments)] * count, chunksize=1)


def _call(work: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    result = work(*arguments)
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


def rate_of(act: Callable[[], object]) -> float:
    """Return how often a second this process can call `act`, measured for three seconds."""
    calls, started = 0, perf_counter()
    while (elapsed := perf_counter() - started) < 3:
        act()
        calls += 1
    return calls / elapsed


def processor_microseconds(act: Callable[[], object], calls: int) -> float:
    """Return the processor time of this process for a call, after one that is not measured."""
    act()
    started = process_time()
    for _ in range(calls):
        act()
    return (process_time() - started) / calls * 1e6


def memory(system: System) -> dict[str, float]:
    return {
        name: max(each.memory_info().rss for each in family(child.pid)) / 1e6 for name, child in system.children.items()
    }


def cpu_seconds(system: System) -> dict[str, float]:
    """Return the processor time of each part since its start, in seconds."""
    pids = {name: child.pid for name, child in system.children.items() if child.alive}
    if system.parts.kafka is not None:
        pids["kafka"] = system.parts.kafka.pid
    if system.parts.postgres is not None:
        pids["postgresql"] = system.parts.postgres.pid
    return {name: processor_seconds(pid) for name, pid in pids.items()}


def cpu_times(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    """Return the processor time of each part between two measurements, in milliseconds for each of `count` items.

    A service's workers are one part.
    """
    spent: dict[str, float] = defaultdict(float)
    for name, seconds in after.items():
        spent[service_of(name)] += (seconds - before[name]) / count * 1000
    return dict(spent)


def print_cpu_times(spent: Mapping[str, float], what: str) -> None:
    parts = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in spent.items() if milliseconds >= 0.005)
    print(f"  processor ms {what}: {parts}, in all {sum(spent.values()):.2f}", flush=True)


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and all its descendants since their start, in seconds."""
    return sum(_used(each) for each in family(pid))


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
