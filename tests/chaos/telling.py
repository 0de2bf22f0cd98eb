"""What a run says: how far it has come, and in the end a table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.status import Status

from chaos.plan import Blow, Plan, Way
from chaos.run import Outcome, State
from chaos.verdict import Verdict

LINE_SECONDS = 10.0
SHOWN = 5
"""How many findings of a kind are shown."""


class Progress:
    """One line that changes, on a terminal; elsewhere a line every ten seconds."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._applications = len(plan.cases)
        self._blows = sum(burst.strike is not None for burst in plan.bursts)
        self._status = Status("", console=console)
        self._due = self._started = time.monotonic()
        if console.is_terminal:
            self._status.start()

    def __call__(self, state: State) -> None:
        seconds = time.monotonic() - self._started
        open = ", ".join(f"{number} in {what}" for what, number in state.open.items())
        line = (
            f"{seconds:5.0f} s: {state.sent} of {self._applications} sent, {state.issued} certificates, "
            f"{state.mails} mails, {state.blows} of {self._blows} blows{f'; open: {open}' if open else ''}"
        )
        if self._console.is_terminal:
            self._status.update(line)
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + LINE_SECONDS
            self._console.print(line, soft_wrap=True)

    def end(self) -> None:
        self._status.stop()


def table(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """The names and values of all that is counted."""
    evidence, verdict = outcome.evidence, outcome.verdict
    told = evidence.topics.cases.values()
    ways = Counter(case.way for case in outcome.plan.cases)
    families = Counter(issued.issuer.rpartition("-")[2] for each in told for issued in each.issued.values())
    yield "applications in", str(len(outcome.plan.cases))
    yield "certificates", f"{families.total()} ({families['rsa']} RSA, {families['ec']} EC)"
    yield "refusals", str(sum(each.end is Way.REFUSED.end for each in told))
    yield "returned", f"{sum(each.end is Way.RETURNED.end for each in told)}, and {ways[Way.SUPPLEMENTED]} supplemented"
    yield "revoked", f"{sum(bool(each.revoked) for each in told)}, on {len(evidence.fetched)} CRLs"
    yield "mails handed over", str(sum(state == "handed-over" for _, state in evidence.tables.mails.values()))
    again = sum(mail.times - 1 for mail in evidence.mails.values())
    yield "mails that came twice", f"{again}, the same bytes; {outcome.answers_lost} answers were lost"
    yield "records in topics", f"{evidence.topics.records}, {evidence.topics.copies} of them copies"
    yield "signatures made", str(len(list(evidence.signatures)))
    for blow in Blow:
        yield blow.value, str(outcome.blows.get(blow, 0))
    yield "workers ended unasked", str(len(outcome.unasked))
    yield "parked", f"{len(evidence.tables.parked)}, of {len(evidence.poison)} poison records"
    yield "wrongly parked", str(len(verdict.wrongly_parked))
    yield "lost", str(len(verdict.lost))
    yield "doubled", str(len(verdict.doubled))
    yield "orphan signatures", str(len(verdict.orphans))
    yield "other faults", str(len(verdict.faults))
    yield "seconds", f"{outcome.seconds:.0f}"


def findings(verdict: Verdict) -> Iterator[str]:
    """What is wrong, some of each kind."""
    for name, found in (
        ("lost", verdict.lost),
        ("doubled", verdict.doubled),
        ("orphan", verdict.orphans),
        ("wrongly parked", verdict.wrongly_parked),
        ("fault", verdict.faults),
    ):
        yield from (f"{name}: {line}" for line in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"{name}: and {len(found) - SHOWN} more"
