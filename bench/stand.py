"""The measured system: all parts on this machine, one worker of each service, and a mail sink."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg
import psutil
from servicecert_cli.connections import kafka
from servicecert_cli.stand.samples import Samples
from servicecert_cli.stand.system import System, service_of, worker_names
from servicecert_deploy import Child, Postgres
from servicecert_pki.serials import serial_hex
from servicecert_revoker.domain.status import Certificate
from servicecert_schemas.topics import SERVICES
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.faults import backoff
from servicecert_worker.kafka import lag
from servicecert_worker.storage import database, schema

SINK = Path(__file__).with_name("smtp_sink.py")
GROW_SECONDS = 300.0

Measured = tuple[float, dict[str, float]]
"""Certificates per second, and the milliseconds of processor time of each part for a certificate."""


@asynccontextmanager
async def measured_system(workers: int = 1, **environment: str) -> AsyncIterator[System]:
    """Run so many workers of each service, with mails to the sink; `environment` is added to each service's."""
    async with mail_sink() as (port, _):
        environment |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port)}
        # All applications come from one account.
        environment |= {"SERVICECERT_MOST_EVENTS": "1000000000"}
        with tempfile.TemporaryDirectory(prefix="servicecert-bench-") as folder:
            async with System(Path(folder), workers=workers, throughput=False, environment=environment) as system:
                yield system


@asynccontextmanager
async def mail_sink(*arguments: str) -> AsyncIterator[tuple[int, int]]:
    """Run a mail server that accepts everything; yield its port and its process id."""
    sink = await asyncio.create_subprocess_exec(sys.executable, str(SINK), *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert sink.stdout is not None
        yield int((await sink.stdout.readline()).split()[1]), sink.pid
    finally:
        sink.terminate()
        await sink.wait()


@contextmanager
def own_schema(service: str, migrations: Path) -> Iterator[tuple[str, str]]:
    """Run a database server with a service's schema; yield the URLs of the service's role and the administrator."""
    postgres = Postgres()
    postgres.start()
    try:
        (url,) = database.prepare(postgres.url, {service: database.new_password()}).values()
        schema.migrate(postgres.url, service, [migrations])
        yield url, postgres.url
    finally:
        postgres.stop()


async def all_reach(
    system: System, names: Iterable[str], is_reached: Callable[[Samples], bool], seconds: float
) -> None:
    """Wait until the metrics of all these workers satisfy the condition. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        async for _ in backoff(longest=0.5):
            if all([is_reached(await system.metrics(name)) for name in names]):
                return


async def grow(system: System, workers: int) -> None:
    """Add workers until each service has that many, each with its share of the partitions."""
    names = [name for service in SERVICES for name in worker_names(service, workers)]
    for name in names:
        if name not in system.children:
            system.start(name)
    await system.ready(*names)
    await all_reach(system, names, lambda each: each.get("servicecert_assigned_partitions", 0) > 0, GROW_SECONDS)


def median_of(measured: Sequence[Measured]) -> Measured:
    """Return the median rate, and the median cost of each part."""
    rates, costs = zip(*measured, strict=True)
    return median(rates), {part: median(each[part] for each in costs) for part in costs[0]}


async def idle(system: System, services: Sequence[str] = SERVICES, seconds: float = 600.0) -> None:
    """Wait until these services have handled and published everything. Raises TimeoutError."""
    tables = (f"(select count(*) from {service}.{each})" for service in services for each in ("outbox", "intents"))
    query = f"select {' + '.join(tables)}"
    cluster = system.cluster
    async with (
        kafka.admin(cluster) as admin,
        kafka.reader(cluster) as reader,
        connected(system.backends.admin_url) as connection,
        asyncio.timeout(seconds),
    ):
        async for _ in backoff(longest=0.5):
            if await connection.fetchval(query):
                continue
            lags = await lag.measure(admin, reader, cluster.prefix, services, datetime.now(UTC))
            if not any(each.messages for each in lags):
                return


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Connect to a database."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def frozen(children: Iterable[Child]) -> Iterator[None]:
    """Freeze processes meanwhile."""
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


def rate_of(act: Callable[[], object], seconds: float = 3.0) -> float:
    """Return how often a second this process can call `act`."""
    calls, started = 0, perf_counter()
    while (elapsed := perf_counter() - started) < seconds:
        act()
        calls += 1
    return calls / elapsed


def certificate(issuer: str, serial: int, issued_at: datetime, **more: Any) -> Certificate:
    """Return a valid certificate as the revoker stores it."""
    facts = {
        "issuer": issuer,
        "serial": serial_hex(serial).lower(),
        "account_id": "account-1",
        "subject": "CN=kanta.example.fi,C=FI",
        "issued_at": issued_at,
        "not_after": issued_at + timedelta(days=700),
        "language": Language.FINNISH,
        "recipients": (),
        "key_sha256": f"{serial:064x}",
        "type": CertificateType.TEST_SERVER,
        "profile": "test-server",
        "profile_version": 1,
    }
    return Certificate(**{**facts, **more})


def memory(system: System) -> dict[str, float]:
    """Return the resident memory of each worker in MB."""
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


def print_cpu_times(spent: dict[str, float], what: str) -> None:
    """Print the processor time of each part, in milliseconds, and the sum."""
    parts = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in spent.items() if milliseconds >= 0.005)
    print(f"  processor ms {what}: {parts}, in all {sum(spent.values()):.2f}", flush=True)


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and all its descendants since their start, in seconds."""
    return sum(_used(each) for each in family(pid))


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
