"""I3, I4, I9 and the others, whatever dies at whatever named step: the issuer at each, the others at those that decide, one after the other, under way."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import asyncpg
from chaos.customers import Customers
from chaos.plan import Burst, Case, Way, draw
from chaos.quiet import Quiet
from chaos.scene import Scene, opened
from chaos.telling import findings
from chaos.verdict import judge
from servicecert_cli.faults import UserError
from servicecert_cli.stand.system import System
from servicecert_deploy import Parts
from servicecert_issuer.operator.reconciliation import Difference, differences
from servicecert_schemas.topics import SERVICES
from servicecert_worker.runtime.crash_points import CRASH_POINTS

KILLED = 128 + 9
WAYS = (Way.STRAIGHT, Way.SUPPLEMENTED, Way.REVOKED, Way.REVOKED)
AT_FIRST = 40
AT_ONCE = 1
PAUSE_SECONDS = 0.25
PATIENCE_SECONDS = 300.0

DECISIVE = ("written", "committed", "effect-start", "effect-done", "adopted", "relay-acked")
"""What can be lost or doubled is so around these; that the runtime survives each of its steps in any service is proved with the toy."""


def steps_of(service: str) -> list[str]:
    """The steps at which a service dies, in order. The issuer has no deadlines, and intake has no acts on the world."""
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
            # Where its ledger is saved, and where a look at what is due is too.
            return [step for step in CRASH_POINTS if step in (*DECISIVE, "saved", "relay-deleted", "due-read")]


class Deaths:
    """Lets each service die at its steps in turn: whoever has died is started again and dies at the next, and lives after the last."""

    def __init__(self, system: System) -> None:
        self.died: dict[str, list[str]] = defaultdict(list)
        self._system = system
        self._ahead = {service: steps_of(service) for service in SERVICES}

    @property
    def over(self) -> bool:
        return not any(self._ahead.values())

    def begin(self) -> None:
        for service in SERVICES:
            self._system.children[service].kill()
            self._start(service)

    def look(self) -> None:
        """Starts again who has died, as was meant."""
        for service, ahead in self._ahead.items():
            child = self._system.children[service]
            if not child.alive:
                assert child.returncode == KILLED, f"{service} ended by itself: {child.said(5)}"
                self.died[service].append(ahead.pop(0))
                self._start(service)

    def _start(self, service: str) -> None:
        step = self.next(service)
        self._system.start(service, **({"SERVICECERT_DIE_AT": step} if step else {}))

    def next(self, service: str) -> str | None:
        """The step that a service dies at next."""
        return next(iter(self._ahead[service]), None)

    def waits(self) -> str:
        return ", ".join(f"{service} at {self.next(service)}" for service in SERVICES if self.next(service))


async def test_I1_I2_I3_I4_I7_I8_I9_services_die_at_every_step_and_nothing_comes_of_it(
    parts: Parts, authority: Path, known_customers: Customers, tmp_path: Path
) -> None:
    environment = {"SERVICECERT_SESSION_SECONDS": "1", "SERVICECERT_BATCH": "10"}
    async with opened(tmp_path, parts, authority=authority, known=known_customers, environment=environment) as scene:
        deaths = Deaths(scene.system)
        sent = await _die(scene, deaths)
        await Quiet(scene.system, scene.traffic).wait()
        evidence = await scene.evidence()
        differing = await _differences(scene.system)
        signed = scene.signature_log.read_text().splitlines()
    assert deaths.died == {service: steps_of(service) for service in SERVICES}
    assert not list(findings(judge(sent, evidence)))
    assert not differing, "the issuer's books agree, as `servicecert ca reconcile` proves (B2)"
    assert len(signed) > len(set(signed)), "some bytes are signed again by whoever adopts what a dead issuer had signed"
    assert any(mail.times > 1 for mail in evidence.mails.values()), (
        "some mail is handed over again, under its Message-ID"
    )


async def _die(scene: Scene, deaths: Deaths) -> list[Case]:
    """Sends a few cases now and then until all deaths are died; answers the cases. Those who wait for certificates have some from the start."""
    ahead = iter(draw(3, 4_000, [], blows=0, ways=WAYS).cases)
    until = time.monotonic() + PATIENCE_SECONDS
    for service in ("revoker", "notifier"):
        await asyncio.to_thread(scene.system.children[service].kill)
    sent = await _send(scene, ahead, AT_FIRST)
    await scene.traffic.until_issued(AT_FIRST)
    await asyncio.to_thread(deaths.begin)
    while not deaths.over:
        sent += await _send(scene, ahead, AT_ONCE)
        await asyncio.sleep(PAUSE_SECONDS)
        await asyncio.to_thread(deaths.look)
        if deaths.next("revoker") == "due-read":
            await _due_now(scene.system, "revoker", "publish")
        if deaths.next("notifier") == "due-read":
            await _due_now(scene.system, "notifier", "remind")
        if time.monotonic() > until:
            raise UserError(f"nobody dies any more: {deaths.waits()}.")
    return sent


async def _send(scene: Scene, ahead: Iterator[Case], count: int) -> list[Case]:
    burst = Burst(tuple(next(ahead) for _ in range(count)), (), None, 0.0)
    await scene.traffic.send(burst)
    return list(burst.cases)


async def _differences(system: System) -> list[Difference]:
    connection = await asyncpg.connect(system.place.admin_url, server_settings={"search_path": "issuer"})
    try:
        return await differences(connection)
    finally:
        connection.terminate()


async def _due_now(system: System, service: str, kind: str) -> None:
    """Makes deadlines due before their time: the next CRLs a day early, a look at a certificate's end, which finds that nothing is owed yet, a year."""
    connection = await asyncpg.connect(system.place.admin_url)
    try:
        await connection.execute(f"update {service}.deadlines set at = now() where kind = $1", kind)
    finally:
        connection.terminate()
