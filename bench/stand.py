"""The measured system: all parts on this machine, one worker of each service, and a mail sink."""

import asyncio
import multiprocessing
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
from servicecert_cli.stand.samples import Samples
from servicecert_cli.stand.system import System
from servicecert_deploy import Postgres
from servicecert_revoker.domain.status import Certificate
from servicecert_schemas.values import CertificateType, Language
from servicecert_worker.faults import backoff
from servicecert_worker.storage import database

SINK = Path(__file__).with_name("smtp_sink.py")


@asynccontextmanager
async def measured_system(workers: int = 1) -> AsyncIterator[System]:
    """Run the measured system, with so many workers of each service and with mails to the sink."""
    async with mail_sink() as (port, _):
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port)}
        with tempfile.TemporaryDirectory(prefix="servicecert-bench-") as folder:
            async with System(Path(folder), workers=workers, throughput=False, environment=mail) as system:
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
        database.migrate(url, service, [migrations])
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
        "serial": f"{serial:032x}",
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
    return {name: sum(_used(each) for each in family(pid)) for name, pid in pids.items()}


def print_cpu_times(before: dict[str, float], after: dict[str, float], count: int, what: str) -> None:
    """Print the processor time of each part between two measurements, in milliseconds for each of `count` items."""
    spent = {name: (after[name] - before[name]) / count * 1000 for name in after}
    parts = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in spent.items())
    print(f"  processor ms {what}: {parts}, in all {sum(spent.values()):.2f}", flush=True)


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
