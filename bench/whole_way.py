"""The whole system, from a produced event to the mail that is handed over: at full speed, and at fixed rates."""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.stand.system import System
from servicecert_schemas.codec import Record, decode
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.topics import NOTIFICATIONS

from bench import load, raw_signing
from bench.mail_window import watched_window
from bench.results import keep, percentiles
from bench.stand import Measured, cpu_seconds, cpu_times, idle, measured_system, memory, print_cpu_times

BACKLOG = {"ec": 8_000, "rsa": 5_000}
CA_KEYS = {"ec": "p384", "rsa": "rsa4096"}
WARM_UP = 1_500
LATENCY_LIMITS = {"p50": 40.0, "p99": 200.0}
LATENCY_SECONDS = 20
MEMORY_LIMIT = 150.0
PATIENCE = 600.0


async def measure() -> None:
    """Measure everything in one system."""
    raw = {family: raw_signing.rate(family) for family in CA_KEYS}
    async with measured_system() as system:
        with tempfile.TemporaryDirectory() as folder:
            csrs = {family: await load.requests(family, Path(folder)) for family in CA_KEYS}
        for family in CA_KEYS:
            await backlog(system, csrs[family], WARM_UP)
        before = memory(system)
        for family, key in CA_KEYS.items():
            speed, costs = await measured(system, load.records(BACKLOG[family], csrs[family]))
            keep(f"whole-way-{key}", speed, "per second", f"raw {key} signing", raw[family])
            print_cpu_times(costs, "a certificate")
        async with watched_window(system):
            await _latency(system, csrs["ec"], 50)
        await _latency(system, csrs["ec"], 200)
        _keep_memory(before, memory(system))


async def backlog(system: System, csrs: list[str], count: int) -> float:
    """Handle so many applications; return the certificates a second."""
    return await handled(system, load.records(count, csrs))


async def measured(system: System, records: Sequence[Record]) -> Measured:
    """Handle applications; return the certificates a second, and what each costs."""
    used = cpu_seconds(system)
    rate = await handled(system, records)
    return rate, cpu_times(used, cpu_seconds(system), len(records))


async def handled(system: System, records: Sequence[Record]) -> float:
    """Return the certificates a second, from the first application to the last mail, once all is handled."""
    count = len(records)
    await publish(system.cluster, load.opening())
    async with kafka.producer(system.cluster) as producer, load.watching(system.cluster, NOTIFICATIONS) as watch:
        started = perf_counter()
        await send(producer, system.cluster, records)
        await watch.until(count, PATIENCE)
        await idle(system)
        return count / (max(watch.seen_at.values()) - started)


async def _latency(system: System, csrs: list[str], rate: int) -> None:
    """Measure the latency at a steady rate."""
    for name, value in percentiles(await at_rate(system, csrs, rate, LATENCY_SECONDS)).items():
        keep(f"latency-{rate}-{name}", value, "ms", "limit at 50/s", LATENCY_LIMITS[name])


async def at_rate(system: System, csrs: list[str], rate: int, seconds: float) -> list[float]:
    """Return the milliseconds from sending each application to the mail server's answer, at a steady rate."""
    records = load.records(round(rate * seconds), csrs)
    sent: dict[bytes, datetime] = {}
    async with kafka.producer(system.cluster) as producer, load.watching(system.cluster, NOTIFICATIONS) as watch:
        started = perf_counter()
        for number, record in enumerate(records):
            await asyncio.sleep(max(0.0, started + number / rate - perf_counter()))
            sent[record.key] = datetime.now(UTC)
            await producer.send(
                system.cluster.prefix + record.topic, value=record.value, key=record.key, headers=record.headers
            )
        await watch.until(len(records), PATIENCE)
    return [(_accepted_at(watch.first[key]) - at) / timedelta(milliseconds=1) for key, at in sent.items()]


def _accepted_at(record: Record) -> datetime:
    _, mail = decode(NOTIFICATIONS.name, record.key, record.headers, record.value)
    assert isinstance(mail, MailHandedOver)
    return mail.at


def _keep_memory(before: dict[str, float], after: dict[str, float]) -> None:
    for name, megabytes in after.items():
        print(f"  memory of {name}: {before[name]:.0f} MB warm, {megabytes:.0f} MB at the end", flush=True)
    keep("worker-memory", max(after.values()), "MB", "limit", MEMORY_LIMIT)
