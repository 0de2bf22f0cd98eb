"""Large CRLs: from the database to published files with all checks, and the time until a revocation is published.

The database holds the revoked certificates of a CA in 16 partitions; a pass publishes the full CRL and that of one
revoked certificate's partition. Each size is measured in its own process, to see its memory.
"""

import asyncio
import resource
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from uuid import uuid4

import aiohttp
import asyncpg
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import open_keys, read_passphrases
from servicecert_revoker.crl.crl_pass import CrlRunner
from servicecert_revoker.crl.files import CrlFiles
from servicecert_revoker.crl.gauges import CrlStats
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.crl.places import Address, Distribution
from servicecert_revoker.domain.crl_orders import PublishOrder
from servicecert_revoker.domain.decide import schedule_key
from servicecert_revoker.serving.crl_server import serve
from servicecert_worker.core.decider import Done, Task
from servicecert_worker.storage import database

from bench.results import keep, percentiles
from bench.stand import in_processes, measured_system, scaled

SIZES = {100_000: "test-rsa", 1_000_000: "test-ec"}
PARTITIONS, ROUNDS = 16, 3
LIMIT_SECONDS, LIMIT_MEGABYTES = 5.0, 300.0
RATE, LASTING = 10, 60
LATENCY_LIMITS = {"p50": 10.0, "p99": 60.0}

# The entry of a serial number of 16 octets, revoked now as no longer needed, as `entry_der` makes it.
_FILL = """
with drawn as (
    select '4' || substr(md5($1 || gen_random_uuid()), 2) as serial from generate_series(1, $2::int)
)
insert into revoker.revocations
    (issuer, serial, partition, key, request_id, reason, requested_at, due, revoked_at, not_after, entry)
select $1, serial, 1 + get_byte(decode(serial, 'hex'), 15) % $3::int, serial,
       gen_random_uuid(), 'no-longer-needed', $4, $4, $4, $4::timestamptz + interval '700 days',
       '\\x302f0210'::bytea || decode(serial, 'hex') || $5
from drawn
returning issuer, serial, partition, request_id
"""


async def measure(share: float) -> None:
    """Measure every size, and then at the largest the time until a revocation is published."""
    async with measured_system() as system:
        await system.stop_all()
        for full_size, issuer in SIZES.items():
            place = (system.urls["revoker"], system.backends.admin_url, system.ca_folder, issuer)
            async with database.connected(system.backends.admin_url) as connection:
                await _revoke(connection, issuer, scaled(full_size, share))
                await connection.execute("vacuum analyze revoker.revocations")
            ((seconds, scheduled, memory),) = await asyncio.to_thread(in_processes, 1, _passes, *place)
            keep(f"crl-{full_size}", seconds, "s", "limit", LIMIT_SECONDS)
            keep(f"crl-{full_size}-partitions", scheduled, "s", "without the other partitions", seconds)
            keep(f"crl-{full_size}-memory", memory, "MB", "limit", LIMIT_MEGABYTES)
        (times,) = await asyncio.to_thread(in_processes, 1, _latencies, *place, LASTING * share)
    for name, value in percentiles(times).items():
        keep(f"revoke-to-published-{name}", value, "s", "limit", LATENCY_LIMITS[name])


async def _revoke(connection: "asyncpg.Connection", issuer: str, count: int) -> list[PublishOrder]:
    """Insert revoked certificates of a CA, without their cases, which a pass does not read; return their orders."""
    now = datetime.now(UTC).replace(microsecond=0)
    tail = bytes.fromhex("170d") + f"{now:%y%m%d%H%M%SZ}".encode() + bytes.fromhex("300c300a0603551d1504030a0105")
    await connection.execute("set session_replication_role = replica")
    return [PublishOrder(**row) for row in await connection.fetch(_FILL, issuer, count, PARTITIONS, now, tail)]


@asynccontextmanager
async def _publishing(url: str, ca: Path) -> AsyncIterator[Publish]:
    """Yield the publishing of CRLs, on real parts."""
    pool = await database.open_pool(url, "revoker")
    authority = Authority.load(ca)
    keys = open_keys(authority, read_passphrases(ca.with_name(f"{ca.name}.passphrases")))
    interval, validity = timedelta(hours=24), timedelta(hours=72)
    with tempfile.TemporaryDirectory() as folder:
        files = CrlFiles(Path(folder))
        files.prepare()
        async with serve(files.folder, "127.0.0.1", 0) as base, aiohttp.ClientSession() as session:
            distribution = Distribution(base, (), Address(base, session))
            runner = CrlRunner(files, distribution, PARTITIONS, interval, validity, pool, lambda: datetime.now(UTC))
            yield Publish(authority, keys, runner, CrlStats())
    pool.terminate()


async def _published(publish: Publish, order: PublishOrder) -> float:
    started = perf_counter()
    key = schedule_key(order.issuer) if order.serial is None else order.serial
    (outcome,) = await publish([Task(uuid4(), key, "publish", order, datetime.now(UTC))])
    assert isinstance(outcome, Done), outcome
    return perf_counter() - started


async def _passes(url: str, admin_url: str, ca: Path, issuer: str) -> tuple[float, float, float]:
    async with _publishing(url, ca) as publish, database.connected(admin_url) as connection:
        scheduled = [await _published(publish, PublishOrder(issuer=issuer)) for _ in range(2)]
        seconds = [await _published(publish, each) for each in await _revoke(connection, issuer, ROUNDS)]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        return median(seconds), scheduled[-1], memory


async def _latencies(url: str, admin_url: str, ca: Path, issuer: str, lasting: float) -> list[float]:
    async with _publishing(url, ca) as publish, database.connected(admin_url) as connection:
        await _published(publish, PublishOrder(issuer=issuer))
        started, publishing = perf_counter(), []
        for number in range(max(1, round(RATE * lasting))):
            await asyncio.sleep(max(0.0, started + number / RATE - perf_counter()))
            (order,) = await _revoke(connection, issuer, 1)
            publishing.append(asyncio.create_task(_published(publish, order)))
        return await asyncio.gather(*publishing)
