"""`make drill CERTIFICATES=…`: an incident, in which many certificates are revoked within 24 hours of a faster clock.

Two operators plan, propose and confirm; real revokers on real Kafka and PostgreSQL revoke, with CRLs over HTTP. One
revoker is killed midway, and another continues. The drill fails unless every certificate is revoked once, published
once and on the CRL, within 24 hours and without parked records.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from uuid import UUID, uuid4

import asyncpg
from cryptography import x509
from servicecert_cli.connections.kafka import records
from servicecert_cli.operations import proposing, selection
from servicecert_cli.operations.authority import make_authority
from servicecert_cli.operations.operators import add_operator
from servicecert_deploy import Child, Parts, start_parts
from servicecert_revoker.crl.effects.server import serve
from servicecert_revoker.domain.status import Certificate, Valid
from servicecert_revoker.service import MIGRATIONS, NAME
from servicecert_revoker.storage.store import RevocationStore
from servicecert_schemas.certificate import Recipient, RecipientRole
from servicecert_schemas.codec import decode
from servicecert_schemas.deadline import DeadlineWarned
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_schemas.topics import CATALOGUE, CERTIFICATE_STATUS, DEADLINES
from servicecert_worker.decider import Stored
from servicecert_worker.kafka import topic_creation
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.service_keys import make_keys
from servicecert_worker.storage import database, schema

from bench.stand import certificate

_FIRST = 1 << 126
_BATCH = 5_000
_WITHIN = timedelta(hours=24) * 0.9
"""A tenth of the 24 hours is reserve for failures."""


@dataclass(frozen=True, slots=True)
class DrillResult:
    """The result: `hours` and `late` by the faster clock, `seconds` and `rate` (per second) by the machine's."""

    certificates: int
    standings: dict[str, int]
    published: int
    doubled: int
    late: int
    listed: int
    parked: int
    hours: float
    seconds: float

    @property
    def rate(self) -> float:
        return self.certificates / self.seconds

    def faults(self) -> list[str]:
        """Return the unmet conditions."""
        n = self.certificates
        checks = {
            f"of {n} certificates {self.standings.get('revoked', 0)} are revoked": self.standings == {"revoked": n},
            f"{self.published} are published": self.published == n,
            f"{self.doubled} are published twice": self.doubled == 0,
            f"{self.listed} are on the CRL": self.listed == n,
            f"{self.late} warnings or breaches of D4 are published": self.late == 0,
            f"it took {self.hours:.1f} hours": self.hours <= 24,
            f"{self.parked} records are parked": self.parked == 0,
        }
        return [fault for fault, holds in checks.items() if not holds]


async def drill(
    parts: Parts, url: str, certificates: int, factor: float, folder: Path, within: timedelta = _WITHIN
) -> DrillResult:
    """Play an incident in an empty database at `url`, whose role may make roles; all is requested within `within`."""
    cluster = Cluster(parts.bootstrap, f"drill-{uuid4().hex[:8]}.")
    await topic_creation.create(parts.bootstrap, CATALOGUE, cluster.prefix)
    (own,) = database.prepare(url, {NAME: database.new_password()}).values()
    await asyncio.to_thread(schema.migrate, url, NAME, [MIGRATIONS])
    await asyncio.to_thread(make_authority, folder / "ca", folder / "passphrases")
    make_keys(folder / "service-keys", [NAME])
    (folder / "crls").mkdir()
    since = datetime.now(UTC)
    await _insert(own, certificates, since)
    async with serve(folder / "crls", "127.0.0.1", 0) as base:
        environment = {
            **os.environ,
            **cluster.environment,
            "DATABASE_URL": own,
            "SERVICECERT_SERVICE_KEYS": str(folder / "service-keys"),
            "SERVICECERT_SERVICE_KEY_FILE": str(folder / "service-keys" / f"{NAME}.key"),
            "SERVICECERT_CA_DIR": str(folder / "ca"),
            "SERVICECERT_CA_PASSPHRASE_FILE": str(folder / "passphrases"),
            "SERVICECERT_CRL_DIR": str(folder / "crls"),
            "SERVICECERT_CRL_BASE_URL": base,
            "SERVICECERT_SESSION_SECONDS": "1",
            # The watchdog uses the faster clock, too.
            "SERVICECERT_STALL_SECONDS": str(60 * factor),
        }
        started, at = monotonic(), datetime.now(UTC)
        command = [sys.executable, "-m", "bench.drill_worker", at.isoformat(), str(factor)]
        workers = [Child(command, log=folder / "first.log", environment=environment)]
        proposal = await _propose(url, certificates, within)
        try:
            await _until(own, proposal, certificates // 3)
            os.kill(workers[0].pid, signal.SIGKILL)
            workers.append(Child(command, log=folder / "second.log", environment=environment))
            standings = await _until(own, proposal, certificates)
        finally:
            for worker in workers:
                worker.kill()
        seconds = monotonic() - started
        return await _result(cluster, own, folder, certificates, standings, seconds, factor)


async def _insert(url: str, certificates: int, since: datetime) -> None:
    """Insert valid certificates of a thousand accounts, as the revoker stores them."""
    pool = await database.open_pool(url, NAME)
    store = RevocationStore()
    for first in range(0, certificates, _BATCH):
        numbers = range(first, min(first + _BATCH, certificates))
        async with pool.acquire() as connection, connection.transaction():
            await store.save(
                connection, [Stored(str(UUID(int=number + 1)), 0, Valid(_one(number, since))) for number in numbers]
            )
    await pool.execute("analyze statuses")
    await pool.close()


def _one(number: int, since: datetime) -> Certificate:
    return certificate(
        "test-ec",
        _FIRST + number,
        since - timedelta(days=1),
        account_id=f"account-{number % 1_000}",
        recipients=(Recipient(role=RecipientRole.ORDERER, email="orderer@example.fi"),),
    )


async def _propose(url: str, certificates: int, within: timedelta) -> UUID:
    """Select and propose as one operator, confirm as another."""
    anna, bertil = [await asyncpg.connect(add_operator(url, name)) for name in ("anna", "bertil")]
    selected = await selection.selected(anna, selection.Selection(type="test-server", profile_version=1))
    rate = max(1, int(certificates / (within / timedelta(minutes=1))))
    cases = [case for case, _ in selected]
    proposal = await proposing.propose(anna, "incident", "key-exposed", "drill", cases, rate=rate)
    assert await proposing.confirm(bertil, proposal.id)
    for connection in (anna, bertil):
        await connection.close()
    return proposal.id


async def _until(url: str, proposal: UUID, revoked: int) -> dict[str, int]:
    """Wait until that many are revoked, and print the progress."""
    connection = await asyncpg.connect(url)
    printed_at = monotonic()
    while True:
        rows = await connection.fetch("select standing::text as standing, count(*) as cases from statuses group by 1")
        standings = {row["standing"]: row["cases"] for row in rows}
        if standings.get("revoked", 0) >= revoked:
            await connection.close()
            return standings
        if monotonic() > printed_at + 30:
            printed_at = monotonic()
            ordered = await connection.fetchval("select ordered from proposals where id = $1", proposal)
            print(f"{ordered} requested, {standings}", flush=True)
        await asyncio.sleep(0.5)


async def _result(
    cluster: Cluster, url: str, folder: Path, count: int, standings: dict[str, int], seconds: float, factor: float
) -> DrillResult:
    connection = await asyncpg.connect(url)
    parked = await connection.fetchval("select count(*) from parked")
    await connection.close()
    published: Counter[UUID] = Counter()
    late = 0
    seen: set[UUID] = set()
    for topic in (CERTIFICATE_STATUS, DEADLINES):
        async for record in records(cluster, topic):
            envelope, data = decode(topic.name, record.key, record.headers, record.value)
            # A duplicate record has the same id, and readers drop it.
            if envelope.id in seen:
                continue
            seen.add(envelope.id)
            if isinstance(data, CertificateRevoked):
                published[data.case_id] += 1
            late += isinstance(data, DeadlineWarned)
    crl = x509.load_der_x509_crl((folder / "crls" / "test-ec.crl").read_bytes())
    return DrillResult(
        certificates=count,
        standings=standings,
        published=len(published),
        doubled=sum(count > 1 for count in published.values()),
        late=late,
        listed=len(crl),
        parked=parked,
        hours=seconds * factor / 3600,
        seconds=seconds,
    )


def main() -> int:
    """Play the drill and print its result; return 1 if a condition is not met."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--certificates", type=int, default=100_000)
    options.add_argument("--factor", type=float, default=180.0, help="how many times faster the clock runs")
    options.add_argument("--hours", type=float, default=_WITHIN / timedelta(hours=1), help="until all is requested")
    chosen = options.parse_args()
    within = timedelta(hours=chosen.hours)
    with start_parts() as parts, tempfile.TemporaryDirectory(prefix="servicecert-drill-") as folder:
        result = asyncio.run(drill(parts, parts.database_url, chosen.certificates, chosen.factor, Path(folder), within))
    print(
        f"{result.certificates} certificates are revoked and published in {result.hours:.1f} hours by a clock"
        f" {chosen.factor:g} times as fast: {result.seconds:.0f} s, {result.rate:.0f} a second, one revoker killed."
    )
    for fault in result.faults():
        print(f"drill: {fault}", file=sys.stderr)
    return 1 if result.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
