"""`make drill CERTIFICATES=…`: an incident, in which many certificates are revoked within 24 hours of a faster clock.

The certificates are copies of one that the system issued, in the tables of all services. Two operators plan, propose
and confirm; real revokers revoke, with CRLs over HTTP. One revoker is killed midway, and another continues. The drill
fails unless every certificate is revoked once, published once and on the CRL, within 24 hours and without parked
records.
"""

import argparse
import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from time import monotonic
from unittest.mock import patch
from uuid import UUID

import asyncpg
from cryptography import x509
from servicecert_cli.connections.kafka import records
from servicecert_cli.operations import proposing, selection
from servicecert_cli.operations.operators import add_operator
from servicecert_cli.stand.system import System
from servicecert_launcher import Child
from servicecert_pki.identity import trial
from servicecert_revoker import service
from servicecert_revoker.app import subscribe
from servicecert_schemas.codec import decode
from servicecert_schemas.deadline import DeadlineWarned
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_schemas.topics import CERTIFICATE_STATUS, DEADLINES
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.process import service as process
from servicecert_worker.process.application import run

from bench import load, stored
from bench.stand import connected, measured_system
from bench.whole_way import backlog

_WITHIN = timedelta(hours=24) * 0.9
"""A tenth of the 24 hours is reserve for failures."""

_WITHOUT_BYTES = "set session_replication_role = replica; update revoker.statuses set der = null"
"""A revoker compares what it knows of a certificate with its bytes, unless it has none: these are another's."""


async def drill(certificates: int, factor: float, within: timedelta) -> tuple[float, list[str]]:
    """Play an incident by a clock that is `factor` times as fast; all is requested `within` a time of that clock.

    Return the machine's seconds, and the unmet conditions.
    """
    async with measured_system(environment={"SERVICECERT_SESSION_SECONDS": "1"}) as system:
        await backlog(system, load.records(1, load.requests("ec")))
        await stored.fill(system, certificates - 1)
        async with connected(system.backends.admin_url) as connection:
            await connection.execute(_WITHOUT_BYTES)
        environment = system.environment("revoker")
        # The responder has another clock, so that it is not asked.
        system.authority_file.write_text(trial(system.crl_url), "utf-8")
        started, at = monotonic(), datetime.now(UTC)
        command = [sys.executable, "-m", "bench.drill", "--since", at.isoformat(), "--factor", str(factor)]
        workers = [Child(command, log=system.log("first"), environment=environment)]
        proposal = await _propose(system.backends.admin_url, certificates, within)
        try:
            await _until(system, proposal, certificates // 3)
            workers[0].kill()
            workers.append(Child(command, log=system.log("second"), environment=environment))
            standings = await _until(system, proposal, certificates)
        finally:
            for worker in workers:
                worker.kill()
        seconds = monotonic() - started
        return seconds, await _faults(system, certificates, standings, seconds * factor / 3600)


async def _propose(url: str, certificates: int, within: timedelta) -> UUID:
    """Select and propose as one operator, confirm as another."""
    anna, bertil = [await asyncpg.connect(add_operator(url, name)) for name in ("anna", "bertil")]
    selected = await selection.selected(anna, selection.Selection(type="test-server"))
    assert len(selected) == certificates
    rate = max(1, int(certificates / (within / timedelta(minutes=1))))
    cases = [case for case, _ in selected]
    proposal = await proposing.propose(anna, "incident", "key-exposed", "drill", cases, rate=rate)
    assert await proposing.confirm(bertil, proposal.id)
    for connection in (anna, bertil):
        await connection.close()
    return proposal.id


async def _until(system: System, proposal: UUID, revoked: int) -> dict[str, int]:
    """Wait until that many are revoked, and print the progress."""
    async with connected(system.urls["revoker"]) as connection:
        printed_at = monotonic()
        while True:
            rows = await connection.fetch("select standing::text, count(*) from statuses group by 1")
            standings = dict(map(tuple, rows))
            if standings.get("revoked", 0) >= revoked:
                return standings
            if monotonic() > printed_at + 30:
                printed_at = monotonic()
                ordered = await connection.fetchval("select ordered from proposals where id = $1", proposal)
                print(f"{ordered} requested, {standings}", flush=True)
            await asyncio.sleep(0.5)


async def _faults(system: System, n: int, standings: dict[str, int], hours: float) -> list[str]:
    """Return the unmet conditions; `hours` are by the faster clock."""
    async with connected(system.urls["revoker"]) as connection:
        parked = await connection.fetchval("select count(*) from parked")
    published: Counter[UUID] = Counter()
    late = 0
    seen: set[UUID] = set()
    for topic in (CERTIFICATE_STATUS, DEADLINES):
        async for record in records(system.cluster, topic):
            envelope, data = decode(topic.name, record.key, record.headers, record.value)
            # A duplicate record has the same id, and readers drop it.
            if envelope.id in seen:
                continue
            seen.add(envelope.id)
            if isinstance(data, CertificateRevoked):
                published[data.case_id] += 1
            late += isinstance(data, DeadlineWarned)
    doubled = sum(count > 1 for count in published.values())
    listed = len(x509.load_der_x509_crl((system.crl_folder / "test-ec.crl").read_bytes()))
    conditions = {
        f"of {n} certificates {standings.get('revoked', 0)} are revoked": standings == {"revoked": n},
        f"{len(published)} are published": len(published) == n,
        f"{doubled} are published twice": doubled == 0,
        f"{listed} are on the CRL": listed == n,
        f"{late} warnings or breaches of D4 are published": late == 0,
        f"it took {hours:.1f} hours": hours <= 24,
        f"{parked} records are parked": parked == 0,
    }
    return [fault for fault, holds in conditions.items() if not holds]


def work(since: datetime, factor: float) -> int:
    """Be a revoker whose clock was right at `since` and has run `factor` times too fast from then on."""
    with patch.object(process, "clock_ahead", lambda _: lambda: since + (machine_clock() - since) * factor):
        return run(process.application(service, subscribe))


def main() -> int:
    """Play the drill and print its result; return 1 if a condition is not met."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--certificates", type=int, default=100_000)
    options.add_argument("--factor", type=float, default=180.0, help="how many times faster the clock runs")
    options.add_argument("--hours", type=float, default=_WITHIN / timedelta(hours=1), help="until all is requested")
    options.add_argument("--since", type=datetime.fromisoformat, help="be a revoker by a clock that was right then")
    chosen = options.parse_args()
    n, factor = chosen.certificates, chosen.factor
    if chosen.since is not None:
        return work(chosen.since, factor)
    seconds, faults = asyncio.run(drill(n, factor, timedelta(hours=chosen.hours)))
    print(
        f"{n} certificates are revoked and published in {seconds * factor / 3600:.1f} hours by a clock {factor:g} times"
        f" as fast: {seconds:.0f} s, {n / seconds:.0f} a second, one revoker killed."
    )
    for fault in faults:
        print(f"drill: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
