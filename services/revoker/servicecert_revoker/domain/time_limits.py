"""The 24 hours of D4: one clock for the first request, one for a later request that changes the entry (D3). Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from servicecert_schemas.deadline import DeadlineKind, DeadlineWarned
from servicecert_worker.core.decider import Deadline, Decision, Intent
from servicecert_worker.core.time_limits import MARKS, Clock, marks_after

from .status import TAKES_EFFECT_WITHIN, Entered, Revoked, Status

CLOCK = "revocation-clock"
"""The deadline at which the clock of the first request is checked next."""

CHANGE_CLOCK = "change-clock"
"""The deadline at which the clock of a request that changed the entry is checked next."""

ALARM = "alarm"
"""The act that logs an alarm about a late revocation or confirmation."""


class Late(BaseModel):
    """A revocation that relying parties cannot see after 24 hours, or a confirmation that is not done (D6)."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("due",)

    due: datetime


class Alarmed(BaseModel):
    """The alarm was logged."""


def clocks_of(status: Status | None) -> Mapping[str, Clock]:
    """Return the running clocks by their deadlines: none where relying parties can see the entry."""
    if not isinstance(status, Entered) or not status.is_open:
        return {}
    entry, clocks = status.revocation, dict[str, Clock]()
    if not isinstance(status, Revoked):
        clocks[CLOCK] = Clock(DeadlineKind.REVOCATION, entry.requested_at, entry.due)
    if entry.changed_at is not None:
        until = entry.changed_at + TAKES_EFFECT_WITHIN
        clocks[CHANGE_CLOCK] = Clock(DeadlineKind.REVOCATION, entry.changed_at, until)
    return clocks


def clock_deadlines(before: Status | None, after: Status | None) -> tuple[Deadline, ...]:
    """Start each clock with its registration, however much time has passed, and stop it once its entry can be seen."""
    was, now = clocks_of(before), clocks_of(after)
    stopped = tuple(Deadline(kind, None) for kind in was if kind not in now)
    started = tuple(Deadline(kind, clock.wakes(MARKS[0])) for kind, clock in now.items() if was.get(kind) != clock)
    return stopped + started


def check_clock(status: Status | None, kind: str, case_id: UUID, now: datetime) -> Decision[Status]:
    """Warn of the last mark that has passed, alarm after the end, and wait for the next mark."""
    clock = clocks_of(status).get(kind)
    return Decision(status) if clock is None else Decision(status, *marked(clock, kind, case_id, now))


def marked(
    clock: Clock, kind: str, case_id: UUID, now: datetime
) -> tuple[tuple[DeadlineWarned, ...], tuple[Intent, ...], tuple[Deadline, ...]]:
    """Return the warning of the last mark that has passed, the alarm after the end, the deadline of the next mark."""
    mark = clock.reached(now)
    left = marks_after(mark)
    again = (Deadline(kind, clock.wakes(left[0])),) if left else ()
    if mark is None:
        return (), (), again
    return (clock.warning(case_id, mark),), () if left else (Intent(ALARM, Late(due=clock.until)),), again
