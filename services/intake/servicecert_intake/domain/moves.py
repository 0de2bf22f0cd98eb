"""How a case moves: each change is one `CaseChanged` whose version grows by one, and the deadlines of the case go with it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from servicecert_schemas.application import ApplicationEvent
from servicecert_schemas.case import CaseState, EventRefused, HistoryEntry
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import RevocationRefused
from servicecert_worker.decider import Deadline, Decision, Event

from .answers import AnswerCode
from .case import Case
from .outcomes import answered
from .rules import recheck
from .view import case_changed

MOST_ENTERED = 150
"""How many states of intake's own a history holds at most."""


def moved(case: Case, state: CaseState, now: datetime, *events: EventData, **parts: Any) -> Decision[Case]:
    """The decision that brings a case to a state of intake's own, with those parts of it that change. An earlier answer is over with it."""
    change: dict[str, Any] = {"answer": None, "judged_by": None, **parts}
    entered = _entered(case, state, now)
    after = replace(case, version=case.version + 1, filed=state, entered=entered, **change)
    return replace(published(after, *events), deadlines=_deadlines(case, after, now))


def answer(case: Case, happened: Event, code: AnswerCode, now: datetime) -> Decision[Case]:
    """The decision that tells in the case why an event changed nothing."""
    return changed(case, answered(case, happened.id, code, code.texts, now))


def refusal(happened: Event, data: ApplicationEvent, code: AnswerCode, now: datetime) -> EventRefused:
    """The answer to an event that no case answers."""
    return EventRefused(
        event_id=happened.id,
        case_id=data.case_id,
        account_id=data.actor.account_id,
        code=code,
        texts=code.texts,
        at=now,
    )


def refused_beside(data: RevocationRefused, now: datetime) -> EventRefused:
    """The answer to a request for revocation that no case may show: whoever asked may not act there, or there is none (A2, D1)."""
    return EventRefused(
        event_id=data.request_id,
        case_id=data.case_id,
        account_id=data.account_id,
        code=data.code,
        texts=data.texts,
        at=now,
    )


def changed(before: Case, after: Case) -> Decision[Case]:
    """The decision for a case that may be another than before; nothing where it is the same."""
    return Decision(before) if after is before else published(replace(after, version=before.version + 1))


def published(case: Case, *events: EventData) -> Decision[Case]:
    """The decision that shows a case."""
    return Decision(case, (case_changed(case), *events))


def _deadlines(before: Case, after: Case, now: datetime) -> tuple[Deadline, ...]:
    """When the case is to be looked at again by itself: the next night while it waits for the registers (A11)."""
    if recheck.waits(after.state, after.deficiencies):
        return (Deadline(recheck.RECHECK, recheck.next_night(after.case_id, now)),)
    waited = recheck.waits(before.state, before.deficiencies)
    return (Deadline(recheck.RECHECK, None),) if waited else ()


def _entered(case: Case, state: CaseState, now: datetime) -> tuple[HistoryEntry, ...]:
    """When intake came to which state. Staying in a state is no new entry; of very many entries the first and the newest are kept."""
    if case.filed is state:
        return case.entered
    first, *later = case.entered
    return (first, *later[2 - MOST_ENTERED :], HistoryEntry(state=state, at=now))
