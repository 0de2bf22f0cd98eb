"""State transitions, and the view of a case (E1, E4): each change publishes one `CaseChanged` with the next version."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from servicecert_schemas.case import AppliedFor, CaseChanged, CaseState, HistoryEntry
from servicecert_schemas.deadline import DeadlineKind
from servicecert_schemas.event import EventData
from servicecert_worker.core.decider import Deadline, Decision

from .case import Case, history, revocation_of
from .clocks import clock_of
from .next_steps import acts_next, next_step
from .rules import reassessment

MOST_ENTERED = 150
"""How many states that intake decided a history holds at most."""

MOST_TYPED_CHARACTERS = 20_000
"""How many characters of typed names a view repeats, so that every case fits an event: a hundred of the longest."""


def transition(case: Case, state: CaseState, now: datetime, *events: EventData, **parts: Any) -> Decision[Case]:
    """Move a case to a state that intake decides, with changed `parts`. Clears the last answer.

    A case that waits for the registers is judged again the next night (A11).
    """
    change: dict[str, Any] = {"answer": None, "judged_by": None, **parts}
    after = replace(case, filed=state, entered=_entered(case, state, now), **change)
    if reassessment.waits(after.state, after.deficiencies):
        again = reassessment.next_night(case.case_id, now)
    elif reassessment.waits(case.state, case.deficiencies):
        again = None
    else:
        return Decision(after, events)
    return Decision(after, events, deadlines=(Deadline(reassessment.REASSESS, again),))


def with_view(decision: Decision[Case]) -> Decision[Case]:
    """Return the decision with the next version of the case and its `CaseChanged`."""
    assert decision.state is not None
    after = replace(decision.state, version=decision.state.version + 1)
    return replace(decision, state=after, events=(case_changed(after), *decision.events))


def _entered(case: Case, state: CaseState, now: datetime) -> tuple[HistoryEntry, ...]:
    """Return the states with their times. Staying adds none; of very many the first and the newest are kept."""
    if case.filed is state:
        return case.entered
    first, *later = case.entered
    at = max(now, case.entered[-1].at)
    return (first, *later[2 - MOST_ENTERED :], HistoryEntry(state=state, at=at))


def case_changed(case: Case) -> CaseChanged:
    """Return the view of a case."""
    state, clock = case.state, clock_of(case)
    return CaseChanged(
        case_id=case.case_id,
        account_id=case.account_id,
        version=case.version,
        state=state,
        type=case.form.type,
        language=case.form.language,
        applied_for=_applied_for(case),
        deficiencies=case.deficiencies,
        next_step=next_step(case, state),
        acts_next=acts_next(case, state),
        due=case.due,
        decision=case.decision,
        certificate=case.certificate,
        revocation=revocation_of(case),
        deliveries=case.deliveries,
        answer=case.answer,
        history=history(case),
        recipients=case.recipients,
        lapses=clock.until if clock is not None and clock.kind is DeadlineKind.COMPLETION else None,
        renewal=case.renewal,
    )


def _applied_for(case: Case) -> AppliedFor:
    form = case.form
    dns = _first(form.names.dns, MOST_TYPED_CHARACTERS)
    system = form.information_system
    return AppliedFor(
        business_id=form.applicant.business_id,
        unit_long_name=form.unit_long_name,
        dns=dns,
        ip=_first(form.names.ip, MOST_TYPED_CHARACTERS - sum(map(len, dns))),
        usages=form.usages,
        information_system=None if system is None else system.name,
        customer_reference=form.customer_reference,
    )


def _first(names: tuple[str, ...], characters: int) -> tuple[str, ...]:
    """Return the first names that fit into this many characters."""
    fitting: list[str] = []
    for name in names:
        characters -= len(name)
        if characters < 0:
            break
        fitting.append(name)
    return tuple(fitting)
