"""I3, I4, I9 and others, with each service killed at its crash points in turn: the issuer at all, others at some."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from chaos.customers import Customers
from chaos.idle import IdleCheck
from chaos.plan import Burst, Case, Scenario, draw
from chaos.report import findings
from chaos.testbed import Testbed, open_testbed
from chaos.verdict import judge
from servicecert_cli.faults import UserError
from servicecert_cli.stand.identities import Identities
from servicecert_cli.stand.system import System
from servicecert_issuer.operator.reconciliation import Difference, differences
from servicecert_launcher import Parts
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.crash_points import CRASH_POINTS

KILLED = 128 + 9
SCENARIOS = (Scenario.STRAIGHT, Scenario.SUPPLEMENTED, Scenario.REVOKED, Scenario.REVOKED)
AT_FIRST = 40
AT_ONCE = 1
PAUSE_SECONDS = 0.25
PATIENCE_SECONDS = 300.0

DECISIVE = ("written", "committed", "effect-start", "effect-done", "adopted", "relay-acked")
"""The crash points around which something can be lost or doubled; tests/worker proves the others with a toy service."""


def steps_of(service: str) -> list[str]:
    """Return the crash points of a service, in order. The issuer has no deadlines, intake no effects."""
    match service:
        case "issuer":
            return [step for step in CRASH_POINTS if step != "due-read"]
        case "intake":
            return [
                step
                for step in CRASH_POINTS
                if step in DECISIVE and step not in ("effect-start", "effect-done", "adopted")
            ]
        case "revoker":
            return [step for step in CRASH_POINTS if step in (*DECISIVE, "due-read")]
        case _:
            # Also where its mail ledger is saved, and where due deadlines are read.
            return [step for step in CRASH_POINTS if step in (*DECISIVE, "saved", "relay-deleted", "due-read")]


class CrashSchedule:
    """Kills each service at its crash points in turn: it is restarted, dies at the next, and survives in the end."""

    def __init__(self, system: System) -> None:
        self.crashed: dict[str, list[str]] = defaultdict(list)
        self._system = system
        self._remaining = {service: steps_of(service) for service in SERVICES}

    @property
    def done(self) -> bool:
        return not any(self._remaining.values())

    def start(self) -> None:
        for service in SERVICES:
            self._system.children[service].kill()
            self._start(service)

    def restart_crashed(self) -> None:
        """Restart the services that died; assert that they died at a crash point."""
        for service, remaining in self._remaining.items():
            child = self._system.children[service]
            if not child.alive:
                assert child.returncode == KILLED, f"{service} ended by itself: {child.tail(5)}"
                self.crashed[service].append(remaining.pop(0))
                self._start(service)

    def _start(self, service: str) -> None:
        step = self.next(service)
        self._system.start(service, **({"SERVICECERT_DIE_AT": step} if step else {}))

    def next(self, service: str) -> str | None:
        """Return the next crash point of a service."""
        return next(iter(self._remaining[service]), None)

    def pending(self) -> str:
        return ", ".join(f"{service} at {self.next(service)}" for service in SERVICES if self.next(service))


@pytest.mark.long
async def test_I1_I2_I3_I4_I7_I8_I9_services_die_at_every_step_and_nothing_comes_of_it(
    parts: Parts, identities: Identities, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    environment = {"SERVICECERT_SESSION_SECONDS": "1", "SERVICECERT_BATCH": "10"}
    async with open_testbed(
        tmp_path,
        parts,
        authority=authority,
        customers=known_customers,
        environment=environment,
        identities=identities,
    ) as testbed:
        crashes = CrashSchedule(testbed.system)
        sent = await _crash_at_each_step(testbed, crashes)
        await IdleCheck(testbed.system, testbed.traffic).wait()
        evidence = await testbed.evidence(notifier_losses=1 + len(crashes.crashed["notifier"]))
        differing = await _differences(testbed.system)
        signed = testbed.signature_log.read_text().splitlines()
    assert crashes.crashed == {service: steps_of(service) for service in SERVICES}
    assert not list(findings(judge(sent, evidence)))
    assert not differing, "the issuer's books agree, as `servicecert ca reconcile` proves (B2)"
    assert len(signed) > len(set(signed)), (
        "some bytes are signed again when another issuer adopts the intent of a dead one"
    )
    assert any(mail.times > 1 for mail in evidence.mails.values()), (
        "some mail is handed over again, under its Message-ID"
    )


async def _crash_at_each_step(testbed: Testbed, crashes: CrashSchedule) -> list[Case]:
    """Send a few cases at a time until every crash point is reached; return the cases."""
    cases = iter(draw(3, 4_000, [], faults=0, scenarios=SCENARIOS).cases)
    until = time.monotonic() + PATIENCE_SECONDS
    for service in ("revoker", "notifier"):
        await asyncio.to_thread(testbed.system.children[service].kill)
    sent = await _send(testbed, cases, AT_FIRST)
    await testbed.traffic.until_issued(AT_FIRST)
    await asyncio.to_thread(crashes.start)
    while not crashes.done:
        sent += await _send(testbed, cases, AT_ONCE)
        await asyncio.sleep(PAUSE_SECONDS)
        await asyncio.to_thread(crashes.restart_crashed)
        if crashes.next("revoker") == "due-read":
            await _due_now(testbed.system, "revoker", "publish")
        if crashes.next("notifier") == "due-read":
            await _due_now(testbed.system, "notifier", "remind")
        if time.monotonic() > until:
            raise UserError(f"these crash points were not reached: {crashes.pending()}.")
    return sent


async def _send(testbed: Testbed, cases: Iterator[Case], count: int) -> list[Case]:
    burst = Burst(tuple(next(cases) for _ in range(count)), (), None, 0.0)
    await testbed.traffic.send(burst)
    return list(burst.cases)


async def _differences(system: System) -> list[Difference]:
    connection = await asyncpg.connect(system.backends.admin_url, server_settings={"search_path": "issuer"})
    try:
        return await differences(connection)
    finally:
        connection.terminate()


async def _due_now(system: System, service: str, kind: str) -> None:
    """Make future deadlines due now: the next CRLs, or reminders, of which none is owed yet."""
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        await connection.execute(f"update {service}.deadlines set at = now() where kind = $1", kind)
    finally:
        connection.terminate()
