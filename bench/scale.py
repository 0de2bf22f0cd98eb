"""One, two and three workers of each service: throughput, and the cost of a certificate in each part.

    python -m bench.scale                     # writes var/bench/scale-*.json; --share 0.03 is a short trial

A round carries applications from stage to stage: only one service's workers run and the others' are frozen, so that
each stage has a backlog of real events, and the machine for itself. Then all run together, from a backlog and at a
steady rate. From the costs with the most workers, and the rates of what only one process can do, `bench.capacity`
calculates the throughput of more cores. The keys are P-384, in files.
"""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path
from time import perf_counter

from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.e_service.application import example
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.e_service.publishing import E_SERVICE
from servicecert_cli.stand.system import OCSP, System, service_of
from servicecert_schemas import topics
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import Record, decode, to_record
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.topics import SERVICES, Topic
from servicecert_schemas.values import CertificateType

from bench import load
from bench.capacity import PARTITIONS, Part, capacity, table
from bench.results import keep
from bench.stand import (
    Measured,
    connected,
    cpu_seconds,
    cpu_times,
    frozen,
    grow,
    idle,
    measured_system,
    median_of,
    print_cpu_times,
)
from bench.whole_way import at_rate, backlog, measured

WORKERS = (1, 2, 3)
COUNT, ROUNDS = 1_200, 3
WARM_UP, BACKLOG = 1_500, 3_000
STEADY_RATE, STEADY_SECONDS = 20, 20
RELAYED, WAL_MEGABYTES = 20_000, 300
CORES = (os.cpu_count() or 1, 12, 48)
BROKER_THREADS = 8
"""Kafka's own value of `num.io.threads`."""
DEVICE = Part("a key in a device of 500 signatures/s", alone=2.0)
"""An assumption about a hardware security module."""
PATIENCE = 300.0

STAGES = {
    "intake": topics.ACCEPTED_APPLICATIONS,
    "issuer": topics.CERTIFICATES,
    "notifier": topics.NOTIFICATIONS,
    "revoker": topics.CERTIFICATE_STANDINGS,
}
"""The services in the order of an application's way, each with the topic that it publishes to."""

_OUTBOX = """
insert into intake.outbox (topic, key, event_id, type, at, payload)
select $1, gen_random_uuid()::text, gen_random_uuid(), 'servicecert.case.changed.v2', now(), $2
from generate_series(1, $3)
"""
_WRITTEN = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8" + "".join(
    f", (select last_value::float8 from {service}.outbox_id_seq)" for service in SERVICES
)


async def measure(share: float = 1.0) -> None:
    """Measure in one system that gets more and more workers; a `share` below 1 shortens everything for a trial."""
    warm_up, count, backlogged, relayed = (max(10, int(n * share)) for n in (WARM_UP, COUNT, BACKLOG, RELAYED))
    with tempfile.TemporaryDirectory() as folder:
        csrs = await load.requests("ec", Path(folder))
    # A frozen worker must neither leave its group nor be ended.
    async with measured_system(SERVICECERT_SESSION_SECONDS="60", SERVICECERT_STALL_SECONDS="600") as system:
        first: dict[str, Measured] = {}
        for workers in WORKERS:
            await grow(system, workers)
            await backlog(system, csrs, warm_up)
            rounds = [await _round(system, csrs, count) for _ in range(ROUNDS)]
            found = {stage: median_of([each[stage] for each in rounds]) for stage in rounds[0]}
            written = await _written(system)
            found["whole-way"] = await measured(system, load.records(backlogged, csrs))
            grown = [(now - before) / backlogged for before, now in zip(written, await _written(system), strict=True)]
            found["steady"] = await _steady(system, csrs, STEADY_SECONDS * share)
            first = first or found
            _keep(workers, found, first)
        wal = await _wal_rate(system, max(10, int(WAL_MEGABYTES * share)))
        parts = _parts(found["whole-way"][1], grown, await _relay_rate(system, relayed), wal)
    rows = {str(cores): capacity(parts, cores) for cores in CORES}
    for cores, each in rows.items():
        keep(f"scale-{cores}-cores", each.rate, "per second", "measured, one worker of each", first["whole-way"][0])
    rows[f"{CORES[-1]}, {DEVICE.name}"] = capacity([*parts, DEVICE], CORES[-1])
    print(table(rows), flush=True)


async def _round(system: System, csrs: list[str], count: int) -> dict[str, Measured]:
    """Carry applications through each stage alone, and revoke the certificates; handle the rest together."""
    applications = load.records(count, csrs)
    # The OCSP responder runs: the revoker asks it before it announces a revocation.
    with frozen(child for name, child in system.children.items() if name != OCSP):
        async with kafka.producer(system.cluster) as producer:
            await send(producer, system.cluster, applications)
            found = {service: await _stage(system, service, output, count) for service, output in STAGES.items()}
            await send(producer, system.cluster, await _revocations(system, {each.key for each in applications}))
        found["revocations"] = await _stage(system, "revoker", topics.CERTIFICATE_STATUS, count)
    await idle(system)
    return found


async def _stage(system: System, service: str, output: Topic, count: int) -> Measured:
    """Thaw a service's workers until they have handled all that is in their topics."""
    own = [child for name, child in system.children.items() if service_of(name) == service]
    async with load.watching(system.cluster, output) as watch:
        used, started = cpu_seconds(system), perf_counter()
        for child in own:
            child.thaw()
        await watch.until(count, PATIENCE)
        await idle(system, [service])
        for child in own:
            child.freeze()
        return count / (watch.latest_at - started), cpu_times(used, cpu_seconds(system), count)


async def _revocations(system: System, cases: set[bytes]) -> list[Record]:
    """Return requests to revoke the certificates of these cases."""
    customer = Customer.of(example(CertificateType.TEST_SERVER).applicant.business_id)
    requests = []
    async for record in kafka.records(system.cluster, topics.CERTIFICATES):
        if record.key in cases:
            envelope, issued = decode(topics.CERTIFICATES.name, record.key, record.headers, record.value)
            assert isinstance(issued, CertificateIssued)
            request = customer.revocation(issued.case_id, issued.serial, RevocationReason.NO_LONGER_NEEDED)
            requests.append(to_record(request, source=E_SERVICE, id=request.request_id, time=envelope.time))
    return requests


async def _steady(system: System, csrs: list[str], seconds: float) -> Measured:
    """Measure applications that arrive one after another."""
    used, started = cpu_seconds(system), perf_counter()
    count = len(await at_rate(system, csrs, STEADY_RATE, seconds))
    return count / (perf_counter() - started), cpu_times(used, cpu_seconds(system), count)


async def _written(system: System) -> list[float]:
    """Return the bytes of WAL and the number of events of each service, since the start."""
    async with connected(system.backends.admin_url) as connection:
        return list(await connection.fetchrow(_WRITTEN))


async def _wal_rate(system: System, megabytes: int) -> float:
    """Return the bytes per second that PostgreSQL writes to its WAL and flushes, a megabyte in each commit."""
    async with connected(system.backends.admin_url) as connection:
        started = perf_counter()
        for _ in range(megabytes):
            await connection.execute("select pg_logical_emit_message(true, 'bench', repeat('x', 1000000))")
        return megabytes * 1e6 / (perf_counter() - started)


async def _relay_rate(system: System, count: int) -> float:
    """Return the events per second that intake's relay publishes with nothing else to do; ends all other workers."""
    for name in [name for name in system.children if service_of(name) != "intake"]:
        # Nobody is to read these events.
        await asyncio.to_thread(system.children.pop(name).kill)
    async with connected(system.backends.admin_url) as connection, load.watching(system.cluster, topics.CASES) as watch:
        with frozen(system.children.values()):
            await connection.execute(_OUTBOX, topics.CASES.name, os.urandom(1_300), count)
            started = perf_counter()
        await watch.until(count, PATIENCE)
        return count / (watch.latest_at - started)


def _parts(costs: dict[str, float], grown: list[float], relay: float, wal: float) -> list[Part]:
    """Return the parts, from processor times, the WAL and events of a certificate, and the most of each a second."""
    wal_bytes, *events = grown
    keep("scale-relay", relay, "per second", "of intake for a certificate", events[0])
    keep("scale-wal", wal / 1e6, "MB/s", "MB for a certificate", wal_bytes / 1e6)
    return [
        *(Part(each, costs[each], PARTITIONS, n / relay * 1000) for each, n in zip(SERVICES, events, strict=True)),
        Part("the OCSP responder", costs[OCSP]),
        Part("Kafka", costs["kafka"], BROKER_THREADS),
        Part("PostgreSQL", costs["postgresql"]),
        Part("PostgreSQL's WAL", alone=wal_bytes / wal * 1000),
    ]


def _keep(workers: int, found: dict[str, Measured], first: dict[str, Measured]) -> None:
    for name, (rate, costs) in found.items():
        keep(f"scale-{name}-{workers}", rate, "per second", "one worker", first[name][0])
        keep(f"scale-{name}-{workers}-cost", sum(costs.values()), "ms", "one worker", sum(first[name][1].values()))
        print_cpu_times(costs, "a certificate")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--share", type=float, default=1.0, help="of every count, for a short trial")
    asyncio.run(measure(options.parse_args().share))
