"""The clock of a revocation: within 24 hours from when it was asked for, the world knows (D4). It warns at half, at nine tenths, and when it has run out (E2).

The clock stands still once the certificate is Revoked. It wakes at one moment at a time; where several marks passed while nobody was awake, only the
last is told.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_worker.decider import Deadline, Intent

from .status import Entered, Revocation, Revoked, Status

CLOCK = "revocation-clock"
"""The deadline at which a revocation's clock is looked at next."""

ALARM = "alarm"
"""The act of saying aloud that a revocation came too late."""

_MARKS = tuple(DeadlineMark)


class Late(BaseModel):
    """A revocation that the world does not know of after 24 hours."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("due",)

    due: datetime


class Alarmed(BaseModel):
    """It was said."""


def open_revocation(status: Status | None) -> Revocation | None:
    """The revocation that the world is still to learn of."""
    return status.revocation if isinstance(status, Entered) and not isinstance(status, Revoked) else None


def wakes(entry: Revocation, mark: DeadlineMark) -> datetime:
    """When a mark is passed."""
    whole = entry.due - entry.requested_at
    passed = {DeadlineMark.HALF: whole / 2, DeadlineMark.NINE_TENTHS: whole * 9 / 10, DeadlineMark.PASSED: whole}
    return entry.requested_at + passed[mark]


def rearmed(before: Status | None, after: Status | None) -> tuple[Deadline, ...]:
    """What changes for the clock with a case: it starts with the registration, whatever part of the time is gone, and ends with the revocation."""
    was, now = open_revocation(before), open_revocation(after)
    if was is None and now is not None:
        return (Deadline(CLOCK, wakes(now, _MARKS[0])),)
    return (Deadline(CLOCK, None),) if was is not None and now is None else ()


def rung(
    case_id: UUID, entry: Revocation, now: datetime
) -> tuple[tuple[EventData, ...], tuple[Intent, ...], tuple[Deadline, ...]]:
    """What follows when the clock is looked at: the last mark that was passed is told, and the next one waited for."""
    place = max((place for place, mark in enumerate(_MARKS) if wakes(entry, mark) <= now), default=-1)
    left = _MARKS[place + 1 :]
    again = (Deadline(CLOCK, wakes(entry, left[0])),) if left else ()
    if place < 0:
        return (), (), again
    told = DeadlineWarned(
        case_id=case_id,
        kind=DeadlineKind.REVOCATION,
        mark=_MARKS[place],
        since=entry.requested_at,
        until=entry.due,
    )
    return (told,), () if left else (Intent(ALARM, Late(due=entry.due)),), again
