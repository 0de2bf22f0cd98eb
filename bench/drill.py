"""`make drill N=…`: an incident. So many certificates are revoked within 24 hours by a clock that runs faster: planned, proposed and confirmed by two
operators, carried out by real revokers on real Kafka and PostgreSQL, with CRLs over HTTP. One revoker is killed on the way, and another goes on.

It fails unless every certificate is revoked once, told once and on the CRL, and nothing came later than 24 hours or was parked.
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
from servicecert_worker.storage import database

from bench.stand import certificate

_FIRST = 1 << 126
_AT_ONCE = 5_000
_WITHIN = timedelta(hours=24) * 0.9
"""A tenth of the 24 hours is left for what goes wrong."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill came to. `hours` and `late` are by the hastened clock, `seconds` and `rate` (certificates a second) by the machine's."""

    certificates: int
    standings: dict[str, int]
    told: int
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
        """What is not as it must be."""
        n = self.certificates
        checks = {
            f"of {n} certificates {self.standings.get('revoked', 0)} are revoked": self.standings == {"revoked": n},
            f"{self.told} are told": self.told == n,
            f"{self.doubled} are told twice": self.doubled == 0,
            f"{self.listed} are on the CRL": self.listed == n,
            f"{self.late} warnings or breaches of D4 were told": self.late == 0,
            f"it took {self.hours:.1f} hours": self.hours <= 24,
            f"{self.parked} records are parked": self.parked == 0,
        }
        return [said for said, holds in checks.items() if not holds]


async def drill(
    parts: Parts, url: str, certificates: int, factor: float, folder: Path, within: timedelta = _WITHIN
) -> Drilled:
    """Plays an incident in an empty database at `url`, whose role may make roles. All is ordered `with_timeout` so long by the hastened clock."""
    place = Cluster(parts.bootstrap, f"drill-{uuid4().hex[:8]}.")
    await topic_creation.create(parts.bootstrap, CATALOGUE, place.prefix)
    (own,) = database.prepare(url, {NAME: database.new_password()}).values()
    await asyncio.to_thread(database.migrate, own, NAME, [MIGRATIONS])
    await asyncio.to_thread(make_authority, folder / "ca", folder / "passphrases")
    (folder / "crls").mkdir()
    since = datetime.now(UTC)
    await _stock(own, certificates, since)
    async with serve(folder / "crls", "127.0.0.1", 0) as base:
        environment = {
            **os.environ,
            **place.environment,
            "DATABASE_URL": own,
            "SERVICECERT_CA_DIR": str(folder / "ca"),
            "SERVICECERT_CA_PASSPHRASE_FILE": str(folder / "passphrases"),
            "SERVICECERT_CRL_DIR": str(folder / "crls"),
            "SERVICECERT_CRL_BASE_URL": base,
            "SERVICECERT_SESSION_SECONDS": "1",
            # The watchdog has the hastened clock, too.
            "SERVICECERT_STALL_SECONDS": str(60 * factor),
        }
        begun, at = monotonic(), datetime.now(UTC)
        command = [sys.executable, "-m", "bench.drill_worker", at.isoformat(), str(factor)]
        workers = [Child(command, log=folder / "first.log", environment=environment)]
        proposal = await _proposed(url, certificates, within)
        try:
            await _until(own, proposal, certificates // 3)
            os.kill(workers[0].pid, signal.SIGKILL)
            workers.append(Child(command, log=folder / "second.log", environment=environment))
            standings = await _until(own, proposal, certificates)
        finally:
            for worker in workers:
                worker.kill()
        seconds = monotonic() - begun
        return await _told(place, own, folder, certificates, standings, seconds, factor)


async def _stock(url: str, certificates: int, since: datetime) -> None:
    """Valid certificates of a thousand accounts, as the revoker would have learnt of them."""
    pool = await database.open_pool(url, NAME)
    store = RevocationStore()
    for first in range(0, certificates, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, certificates))
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


async def _proposed(url: str, certificates: int, within: timedelta) -> UUID:
    """What operators do: one selects and proposes, another confirms."""
    anna, bertil = [await asyncpg.connect(add_operator(url, name)) for name in ("anna", "bertil")]
    found = await selection.selected(anna, selection.Selection(type="test-server", profile_version=1))
    rate = max(1, int(certificates / (within / timedelta(minutes=1))))
    made = await proposing.propose(anna, "incident", "key-exposed", "drill", [case for case, _ in found], rate=rate)
    assert await proposing.confirm(bertil, made.id)
    for connection in (anna, bertil):
        await connection.close()
    return made.id


async def _until(url: str, proposal: UUID, revoked: int) -> dict[str, int]:
    """Waits until so many are revoked, and says how it goes."""
    connection = await asyncpg.connect(url)
    said = monotonic()
    while True:
        rows = await connection.fetch("select standing::text as standing, count(*) as cases from statuses group by 1")
        standings = {row["standing"]: row["cases"] for row in rows}
        if standings.get("revoked", 0) >= revoked:
            await connection.close()
            return standings
        if monotonic() > said + 30:
            said = monotonic()
            ordered = await connection.fetchval("select ordered from proposals where id = $1", proposal)
            print(f"{ordered} ordered, {standings}", flush=True)
        await asyncio.sleep(0.5)


async def _told(
    place: Cluster, url: str, folder: Path, certificates: int, standings: dict[str, int], seconds: float, factor: float
) -> Drilled:
    connection = await asyncpg.connect(url)
    parked = await connection.fetchval("select count(*) from parked")
    await connection.close()
    told: Counter[UUID] = Counter()
    late = 0
    seen: set[UUID] = set()
    for topic in (CERTIFICATE_STATUS, DEADLINES):
        async for record in records(place, topic):
            envelope, data = decode(record.key, record.headers, record.value)
            # A copy on the wire has the same id, and readers drop it.
            if envelope.id in seen:
                continue
            seen.add(envelope.id)
            if isinstance(data, CertificateRevoked):
                told[data.case_id] += 1
            late += isinstance(data, DeadlineWarned)
    crl = x509.load_der_x509_crl((folder / "crls" / "test-ec.crl").read_bytes())
    return Drilled(
        certificates=certificates,
        standings=standings,
        told=len(told),
        doubled=sum(count > 1 for count in told.values()),
        late=late,
        listed=len(crl),
        parked=parked,
        hours=seconds * factor / 3600,
        seconds=seconds,
    )


def main() -> int:
    """Plays the drill and says what came of it; exit code 1 where anything is not as it must be."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--certificates", type=int, default=100_000)
    options.add_argument("--factor", type=float, default=180.0, help="how many times faster the clock runs")
    options.add_argument("--hours", type=float, default=_WITHIN / timedelta(hours=1), help="in which all is ordered")
    chosen = options.parse_args()
    within = timedelta(hours=chosen.hours)
    with start_parts() as parts, tempfile.TemporaryDirectory(prefix="servicecert-drill-") as folder:
        came = asyncio.run(drill(parts, parts.database_url, chosen.certificates, chosen.factor, Path(folder), within))
    print(
        f"{came.certificates} certificates are revoked and told in {came.hours:.1f} hours by a clock {chosen.factor:g} times as fast:"
        f" {came.seconds:.0f} s, {came.rate:.0f} a second, one revoker killed on the way."
    )
    for fault in came.faults():
        print(f"drill: {fault}", file=sys.stderr)
    return 1 if came.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
