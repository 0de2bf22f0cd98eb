"""Warnings before service deadlines (topic `deadlines`), for operators and for customers' reminders (E2)."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from .event import CaseEvent
from .open_list import Open
from .values import Instant


class DeadlineKind(StrEnum):
    """The kinds of deadlines: an application's completion (A12), a certificate's delivery (A13), a revocation (D4).

    Open: show the kind's identifier; no reminder follows from it.
    """

    COMPLETION = "completion"
    DELIVERY = "delivery"
    REVOCATION = "revocation"
    # Of a person, for the other certificates of a compromised key (D6).
    CONFIRMATION = "confirmation"


class DeadlineMark(StrEnum):
    """The share of the time that has passed.

    Open: show the mark's identifier; no reminder follows from it.
    """

    HALF = "half"
    NINE_TENTHS = "nine-tenths"
    PASSED = "passed"


class DeadlineWarned(CaseEvent):
    """The time from `since` to `until` has reached a mark. After an interruption only the last mark is published.

    Of a confirmation `proposal_id` is what a person must confirm or drop, and the case the first of its cases.
    """

    TYPE: ClassVar[str] = "servicecert.deadline.warned.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("kind", "mark", "since", "until")

    kind: Open[DeadlineKind]
    mark: Open[DeadlineMark]
    since: Instant
    until: Instant
    proposal_id: UUID | None = None
