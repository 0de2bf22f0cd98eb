"""Clocks of the service that warn before they run out (topic `deadlines`): for operators, and for whoever reminds the customer (E2)."""

from enum import StrEnum
from typing import ClassVar

from .event import CaseEvent
from .values import Instant


class DeadlineKind(StrEnum):
    """What has to happen in time: the application's completion (A12), the certificate's delivery (A13), its revocation (D4)."""

    COMPLETION = "completion"
    DELIVERY = "delivery"
    REVOCATION = "revocation"


class DeadlineMark(StrEnum):
    """How much of the time is gone."""

    HALF = "half"
    NINE_TENTHS = "nine-tenths"
    PASSED = "passed"


class DeadlineWarned(CaseEvent):
    """So much of the time from `since` until `until` is gone. Where several marks were passed unseen, only the last is told."""

    TYPE: ClassVar[str] = "servicecert.deadline.warned.v1"
    AUDITED: ClassVar[tuple[str, ...]] = ("kind", "mark", "since", "until")

    kind: DeadlineKind
    mark: DeadlineMark
    since: Instant
    until: Instant
