"""Warnings before service deadlines (topic `deadlines`), for operators and for customers' reminders (E2)."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from .event import CaseEvent
from .open_list import Open
from .values import Instant


class DeadlineKind(StrEnum):
    """The kind of a deadline: an application's completion (A12), a certificate's delivery (A13), a revocation (D4).

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
    """Published when the time to a deadline reaches a mark; after an interruption the last mark alone.

    Of a confirmation (D6) the case is the first of its cases.
    """

    TYPE: ClassVar[str] = "servicecert.deadline.warned.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("kind", "mark", "since", "until")

    kind: Open[DeadlineKind]
    mark: Open[DeadlineMark]
    since: Instant
    """The beginning of the time."""
    until: Instant
    """The deadline."""
    proposal_id: UUID | None = None
    """Of a confirmation: what a person must confirm or drop (D6). Else null."""
