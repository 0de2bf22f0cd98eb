"""The clock of a revocation: within 24 hours from when it was asked for, the world knows (D4). It stands still once the certificate is Revoked."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from servicecert_schemas.deadline import DeadlineKind
from servicecert_schemas.event import EventData
from servicecert_worker.decider import Deadline, Intent
from servicecert_worker.domain.clocks import MARKS, Clock, marks_after

from .status import Entered, Revocation, Revoked, Status

CLOCK = "revocation-clock"
"""The deadline at which a revocation's clock is looked at next."""

ALARM = "alarm"
"""The act of saying aloud that a revocation came too late."""


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


def clock_of(entry: Revocation) -> Clock:
    """The clock of D4."""
    return Clock(DeadlineKind.REVOCATION, entry.requested_at, entry.due)


def rearmed(before: Status | None, after: Status | None) -> tuple[Deadline, ...]:
    """What changes for the clock with a case: it starts with the registration, whatever part of the time is gone, and ends with the revocation."""
    was, now = open_revocation(before), open_revocation(after)
    if was is None and now is not None:
        return (Deadline(CLOCK, clock_of(now).wakes(MARKS[0])),)
    return (Deadline(CLOCK, None),) if was is not None and now is None else ()


def rung(
    case_id: UUID, entry: Revocation, now: datetime
) -> tuple[tuple[EventData, ...], tuple[Intent, ...], tuple[Deadline, ...]]:
    """What follows when the clock is looked at: the last mark that was passed is told, and the next one waited for."""
    clock = clock_of(entry)
    mark = clock.reached(now)
    left = marks_after(mark)
    again = (Deadline(CLOCK, clock.wakes(left[0])),) if left else ()
    if mark is None:
        return (), (), again
    return (clock.warning(case_id, mark),), () if left else (Intent(ALARM, Late(due=entry.due)),), again
