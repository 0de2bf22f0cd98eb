"""Large CRLs: from the database to published files with all checks, and the time until a revocation is published.

    python -m bench.crl                     # writes var/bench/crl-*.json and revoke-to-published-*.json

The database holds the revoked certificates of a CA in 16 partitions; a pass publishes the full CRL and that of one
revoked certificate's partition. Each size is measured in its own process, to see its memory.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from uuid import uuid4

import aiohttp
import asyncpg
import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from servicecert_cli.operations.authority import make_authority
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import open_keys, read_passphrases
from servicecert_pki.partitions import partition_of
from servicecert_pki.serials import draw_serial
from servicecert_revoker.crl.domain.publication import PublishOrder
from servicecert_revoker.crl.effects.files import CrlFiles
from servicecert_revoker.crl.effects.publish import Publish
from servicecert_revoker.crl.effects.publishers import Distribution
from servicecert_revoker.crl.effects.run import CrlRunner, Timing
from servicecert_revoker.crl.effects.server import serve
from servicecert_revoker.crl.operator.gauges import CrlStats
from servicecert_revoker.domain.decide import schedule_key
from servicecert_revoker.domain.status import Registered, Revocation
from servicecert_revoker.service import MIGRATIONS
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.decider import Done, Stored, Task
from servicecert_worker.storage import database

from bench.results import keep, percentiles
from bench.stand import certificate, in_processes, own_schema

SIZES = {1_000: "production-ec", 100_000: "production-rsa", 1_000_000: "test-ec"}
PARTITIONS = 16
ROUNDS = 3
LIMIT_SECONDS, LIMIT_MEGABYTES = 5.0, 300.0
RATE, LASTING = 10, 60
LATENCY_LIMITS = {"p50": 10.0, "p99": 60.0}
NOW = datetime.now(UTC).replace(microsecond=0)

# The entry of a serial number of 16 octets, revoked NOW as no longer needed, as `entry_der` makes it.
_FILL = """
with drawn as (
    select '4' || substr(md5(%(issuer)s || i::text), 2) as serial, i from generate_series(1, %(count)s::int) as i
)
insert into revoker.revocations
    (issuer, serial, partition, key, request_id, reason, requested_at, due, revoked_at, not_after, entry)
select %(issuer)s, serial, 1 + get_byte(decode(serial, 'hex'), 15) %% %(partitions)s::int, %(issuer)s || i,
       gen_random_uuid(), 'no-longer-needed', %(now)s, %(now)s, %(now)s, %(end)s,
       '\\x302f0210'::bytea || decode(serial, 'hex') || %(tail)s
from drawn
"""


def fill(url: str, issuer: str, count: int) -> None:
    """Insert revoked certificates of a CA, without their cases: a pass does not read those."""
    values = {
        "issuer": issuer,
        "count": count,
        "partitions": PARTITIONS,
        "now": NOW,
        "end": NOW + timedelta(days=700),
        "tail": bytes.fromhex("170d") + f"{NOW:%y%m%d%H%M%SZ}".encode() + bytes.fromhex("300c300a0603551d1504030a0105"),
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(_FILL, values)
        connection.execute("vacuum analyze revoker.revocations")


@dataclass(frozen=True)
class Stand:
    """The publishing of CRLs, on real parts."""

    publish: Publish
    pool: asyncpg.Pool[asyncpg.Record]


async def opened(stack: AsyncExitStack, url: str, ca: Path, folder: Path) -> Stand:
    pool = await database.open_pool(url, "revoker")
    stack.callback(pool.terminate)
    authority = Authority.load(ca)
    keys = open_keys(authority, read_passphrases(ca.with_name(f"{ca.name}.passphrases")))
    files = CrlFiles(folder)
    files.prepare()
    base = await stack.enter_async_context(serve(folder, "127.0.0.1", 0))
    session = await stack.enter_async_context(aiohttp.ClientSession())
    timing = Timing(timedelta(hours=24), timedelta(hours=72))
    press = CrlRunner(files, Distribution(base, (), session), PARTITIONS, timing, pool, lambda: datetime.now(UTC))
    return Stand(Publish(authority, keys, press, CrlStats()), pool)


async def revoke(stand: Stand, issuer: str) -> Task:
    """Store a revocation as a turn does."""
    serial, now = draw_serial(), datetime.now(UTC).replace(microsecond=0)
    partition = partition_of(serial, PARTITIONS)
    revoked = certificate(issuer, serial, now, partition=partition)
    revocation = Revocation(uuid4(), RevocationReason.NO_LONGER_NEEDED, now, now + timedelta(hours=24), now)
    key = str(uuid4())
    async with stand.pool.acquire() as connection, connection.transaction():
        await RevocationStore().save(connection, [Stored(key, 0, Registered(revoked, revocation))])
    order = PublishOrder(issuer=issuer, partition=partition, serial=revoked.serial, request_id=revocation.request_id)
    return Task(uuid4(), key, "publish", order, now)


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await act()
    return time.perf_counter() - started


async def passes(url: str, ca: Path, issuer: str) -> dict[str, float]:
    """Return the seconds of a revocation's pass and of a scheduled one, and the process's peak memory in MB."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stand = await opened(stack, url, ca, folder)

        async def publish(task: Task) -> None:
            (outcome,) = await stand.publish([task])
            assert isinstance(outcome, Done), outcome

        scheduled = Task(uuid4(), schedule_key(issuer), "publish", PublishOrder(issuer=issuer), NOW)
        await publish(scheduled)
        scheduled_seconds = await _timed(lambda: publish(scheduled))
        tasks = [await revoke(stand, issuer) for _ in range(ROUNDS)]
        seconds = []
        for task in tasks:
            at = time.perf_counter()
            await publish(task)
            seconds.append(time.perf_counter() - at)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        return {"seconds": median(seconds), "scheduled": scheduled_seconds, "memory": memory}


async def built_by_library(url: str, issuer: str) -> float:
    """Return the seconds from the database to a CRL signed by `cryptography`'s builder, without any check."""
    connection = await asyncpg.connect(url)
    key = ec.generate_private_key(ec.SECP384R1())
    try:
        started = time.perf_counter()
        rows = await connection.fetch("select serial, revoked_at from revocations where issuer = $1", issuer)
        reason = x509.Extension(x509.CRLReason.oid, False, x509.CRLReason(x509.ReasonFlags.cessation_of_operation))
        entries = [
            x509.RevokedCertificateBuilder(
                int(row["serial"], 16), row["revoked_at"].replace(tzinfo=None), [reason]
            ).build()
            for row in rows
        ]
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
        now = NOW.replace(tzinfo=None)
        builder = x509.CertificateRevocationListBuilder(name, now, now + timedelta(days=3), [], entries)
        builder.sign(key, hashes.SHA384()).public_bytes(Encoding.DER)
        return time.perf_counter() - started
    finally:
        await connection.close()


async def latencies(url: str, ca: Path, issuer: str) -> list[float]:
    """Return the seconds from each revocation's request until its CRL is published and fetched, at a steady rate."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stand = await opened(stack, url, ca, folder)
        await stand.publish([Task(uuid4(), schedule_key(issuer), "publish", PublishOrder(issuer=issuer), NOW)])

        async def one(number: int, started: float) -> float:
            await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
            sent = time.perf_counter()
            (outcome,) = await stand.publish([await revoke(stand, issuer)])
            assert isinstance(outcome, Done), outcome
            return time.perf_counter() - sent

        started = time.perf_counter()
        return list(await asyncio.gather(*(one(number, started) for number in range(RATE * LASTING))))


async def measure() -> None:
    """Measure every size, and then at the largest the time until a revocation is published."""
    with tempfile.TemporaryDirectory() as folder, own_schema("revoker", MIGRATIONS) as (url, admin_url):
        ca = Path(folder) / "ca"
        make_authority(ca, ca.with_name("ca.passphrases"))
        for size, issuer in SIZES.items():
            await asyncio.to_thread(fill, admin_url, issuer, size)
            _measure_size(url, ca, size, issuer)
        seconds = percentiles(in_processes(1, latencies, url, ca, SIZES[max(SIZES)])[0])
        for name, limit in LATENCY_LIMITS.items():
            keep(f"revoke-to-published-{name}", seconds[name], "s", "limit", limit)


def _measure_size(url: str, ca: Path, size: int, issuer: str) -> None:
    (result,) = in_processes(1, passes, url, ca, issuer)
    (library,) = in_processes(1, built_by_library, url, issuer)
    against = ("cryptography's builder", library) if size < max(SIZES) else ("limit", LIMIT_SECONDS)
    keep(f"crl-{size}", result["seconds"], "s", *against)
    print(
        f"  of {size} entries: the full CRL and all {PARTITIONS} partitions {result['scheduled']:.2f} s; "
        f"cryptography's builder, without checks, {library:.2f} s; memory {result['memory']:.0f} MB",
        flush=True,
    )
    if size == max(SIZES):
        keep(f"crl-{size}-memory", result["memory"], "MB", "limit", LIMIT_MEGABYTES)


if __name__ == "__main__":
    asyncio.run(measure())
