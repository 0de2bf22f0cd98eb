"""The output of a run: its progress, and a table at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.status import Status

from chaos.plan import FaultKind, Plan, Scenario
from chaos.run import Outcome, State
from chaos.verdict import Verdict

LINE_SECONDS = 10.0
SHOWN = 5
"""Number of findings of a kind that are shown."""


class Progress:
    """Shows one changing line on a terminal; elsewhere prints a line every ten seconds."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._applications = len(plan.cases)
        self._faults = sum(burst.fault is not None for burst in plan.bursts)
        self._status = Status("", console=console)
        self._due = self._started = time.monotonic()
        if console.is_terminal:
            self._status.start()

    def __call__(self, state: State) -> None:
        seconds = time.monotonic() - self._started
        open = ", ".join(f"{number} in {what}" for what, number in state.open.items())
        line = (
            f"{seconds:5.0f} s: {state.sent} of {self._applications} sent, {state.issued} certificates, "
            f"{state.mails} mails, {state.faults} of {self._faults} faults{f'; open: {open}' if open else ''}"
        )
        if self._console.is_terminal:
            self._status.update(line)
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + LINE_SECONDS
            self._console.print(line, soft_wrap=True)

    def end(self) -> None:
        self._status.stop()


def table(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield the names and values of all counts."""
    evidence, verdict = outcome.evidence, outcome.verdict
    cases = evidence.topics.cases.values()
    scenarios = Counter(case.scenario for case in outcome.plan.cases)
    families = Counter(issued.issuer.rpartition("-")[2] for each in cases for issued in each.issued.values())
    yield "applications in", str(len(outcome.plan.cases))
    yield "certificates", f"{families.total()} ({families['rsa']} RSA, {families['ec']} EC)"
    yield "refusals", str(sum(each.state is Scenario.REFUSED.end_state for each in cases))
    returned = sum(each.state is Scenario.RETURNED.end_state for each in cases)
    yield "returned", f"{returned}, and {scenarios[Scenario.SUPPLEMENTED]} supplemented"
    yield "revoked", f"{sum(bool(each.revoked) for each in cases)}, on {len(evidence.fetched)} CRLs"
    yield "mails handed over", str(sum(state == "handed-over" for _, state in evidence.tables.mails.values()))
    allowed = f"at most {evidence.copies_allowed} allowed, {evidence.answers_lost} answers were lost"
    yield "mails received again", f"{evidence.copies}, the same bytes; {allowed}"
    yield "records in topics", f"{evidence.topics.records}, {evidence.topics.copies} of them copies"
    yield "signatures made", str(len(list(evidence.signatures)))
    for kind in FaultKind:
        yield kind.value, str(outcome.faults.get(kind, 0))
    yield "unexpected worker exits", str(len(outcome.unexpected_exits))
    yield "parked", f"{len(evidence.tables.parked)}, of {len(evidence.poison)} poison records"
    yield "wrongly parked", str(len(verdict.wrongly_parked))
    yield "lost", str(len(verdict.lost))
    yield "doubled", str(len(verdict.doubled))
    yield "orphan signatures", str(len(verdict.orphans))
    yield "inconsistencies", str(len(verdict.inconsistencies))
    yield "seconds", f"{outcome.seconds:.0f}"


def findings(verdict: Verdict) -> Iterator[str]:
    """Yield the findings, at most SHOWN of each kind."""
    for name, lines in (
        ("lost", verdict.lost),
        ("doubled", verdict.doubled),
        ("orphan", verdict.orphans),
        ("wrongly parked", verdict.wrongly_parked),
        ("inconsistency", verdict.inconsistencies),
    ):
        yield from (f"{name}: {line}" for line in lines[:SHOWN])
        if len(lines) > SHOWN:
            yield f"{name}: and {len(lines) - SHOWN} more"
