"""A run: the plan is played while harm is done, then all is waited for and judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from servicecert_cli.faults import UserError

from chaos.plan import Blow, Plan
from chaos.quiet import Open, Quiet
from chaos.scene import Scene
from chaos.strikes import Harm
from chaos.verdict import Evidence, Verdict, judge

TELL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class State:
    """How far a run has come. `open` is what is still to be done, once all is sent."""

    sent: int
    issued: int
    mails: int
    blows: int
    open: Open


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    plan: Plan
    evidence: Evidence
    verdict: Verdict
    blows: Mapping[Blow, int]
    unasked: tuple[str, ...]
    answers_lost: int
    seconds: float


async def run(scene: Scene, plan: Plan, tell: Callable[[State], None] = lambda _: None) -> Outcome:
    """Plays a plan with all its harm. Raises UserError where the system does not come to rest."""
    started = time.monotonic()
    harm = Harm(scene.system, scene.mail_server)

    def state(open: Open) -> State:
        sent, issued = scene.traffic.sent, len(scene.traffic.issued)
        return State(sent, issued, len(scene.mail_server.mails), harm.done.total(), open)

    async def telling() -> None:
        while True:
            tell(state({}))
            await asyncio.sleep(TELL_SECONDS)

    supervising = asyncio.create_task(harm.supervise())
    teller = asyncio.create_task(telling())
    try:
        async with asyncio.TaskGroup() as strikes:
            for burst in plan.bursts:
                if burst.strike is not None:
                    strikes.create_task(harm.strike(burst.strike))
                await scene.traffic.send(burst)
                await asyncio.sleep(burst.pause)
        teller.cancel()
        await Quiet(scene.system, scene.traffic).wait(lambda open: tell(state(open)))
    except UserError as restless:
        words = f" {len(harm.unasked)} times a worker ended by itself: {harm.unasked[-1]}" if harm.unasked else ""
        raise UserError(f"{restless}{words}") from None
    finally:
        teller.cancel()
        supervising.cancel()
        await asyncio.wait([teller, supervising])
    evidence = await scene.evidence()
    return Outcome(
        plan=plan,
        evidence=evidence,
        verdict=judge(plan.cases, evidence),
        blows=harm.done,
        unasked=tuple(harm.unasked),
        answers_lost=scene.mail_server.lost,
        seconds=time.monotonic() - started,
    )
