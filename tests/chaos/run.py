"""A run: sends the plan's records and injects its faults, waits until the system is idle, and checks the outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from servicecert_cli.faults import UserError

from chaos.faults import FaultInjector
from chaos.idle import IdleCheck, Open
from chaos.plan import FaultKind, Plan
from chaos.testbed import Testbed
from chaos.verdict import Evidence, Verdict, judge

REPORT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class State:
    """The progress of a run. `open` is the unfinished work, once everything is sent."""

    sent: int
    issued: int
    mails: int
    faults: int
    open: Open


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run."""

    plan: Plan
    evidence: Evidence
    verdict: Verdict
    faults: Mapping[FaultKind, int]
    unexpected_exits: tuple[str, ...]
    seconds: float


async def run(testbed: Testbed, plan: Plan, report: Callable[[State], None] = lambda _: None) -> Outcome:
    """Plays a plan with all its injector. Raises UserError where the system does not come to rest."""
    started = time.monotonic()
    injector = FaultInjector(testbed.system, testbed.mail_server)

    def state(open: Open) -> State:
        sent, issued = testbed.traffic.sent, len(testbed.traffic.issued)
        return State(sent, issued, len(testbed.mail_server.mails), injector.done.total(), open)

    async def report_regularly() -> None:
        while True:
            report(state({}))
            await asyncio.sleep(REPORT_SECONDS)

    supervising = asyncio.create_task(injector.supervise())
    reporting = asyncio.create_task(report_regularly())
    try:
        async with asyncio.TaskGroup() as faults:
            for burst in plan.bursts:
                if burst.fault is not None:
                    faults.create_task(injector.inject(burst.fault))
                await testbed.traffic.send(burst)
                await asyncio.sleep(burst.pause)
        reporting.cancel()
        await IdleCheck(testbed.system, testbed.traffic).wait(lambda open: report(state(open)))
    except UserError as restless:
        words = (
            f" {len(injector.unexpected_exits)} times a worker ended by itself: {injector.unexpected_exits[-1]}"
            if injector.unexpected_exits
            else ""
        )
        raise UserError(f"{restless}{words}") from None
    finally:
        reporting.cancel()
        supervising.cancel()
        await asyncio.wait([reporting, supervising])
    evidence = await testbed.evidence(injector.notifier_losses)
    return Outcome(
        plan=plan,
        evidence=evidence,
        verdict=judge(plan.cases, evidence),
        faults=injector.done,
        unexpected_exits=tuple(injector.unexpected_exits),
        seconds=time.monotonic() - started,
    )
