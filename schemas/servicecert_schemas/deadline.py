"""Warnings before service deadlines (topic `deadlines`), for operators and for customers' reminders (E2)."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from .event import CaseEvent
from .values import Instant


class DeadlineKind(StrEnum):
    """The kinds of deadlines: an application's completion (A12), a certificate's delivery (A13), a revocation (D4).

    A confirmation is that of a person for the other certificates of a compromised key (D6).
    """

    COMPLETION = "completion"
    DELIVERY = "delivery"
    REVOCATION = "revocation"
    CONFIRMATION = "confirmation"


class DeadlineMark(StrEnum):
    """The share of the time that has passed."""

    HALF = "half"
    NINE_TENTHS = "nine-tenths"
    PASSED = "passed"


class DeadlineWarned(CaseEvent):
    """The time from `since` to `until` has reached a mark. After an interruption only the last mark is published.

    Of a confirmation `proposal_id` is what a person must confirm or drop, and the case the first of its cases.
    """

    TYPE: ClassVar[str] = "servicecert.deadline.warned.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("kind", "mark", "since", "until")

    kind: DeadlineKind
    mark: DeadlineMark
    since: Instant
    until: Instant
    proposal_id: UUID | None = None
