"""The answers to events that changed nothing: a code for the reason, and a text with what to do (`texts/`)."""

from enum import StrEnum
from types import MappingProxyType

from servicecert_schemas.case import CaseState
from servicecert_schemas.values import Texts
from servicecert_worker.core.texts import read_texts


class AnswerCode(StrEnum):
    """Why an event changed nothing."""

    NOT_STRONGLY_AUTHENTICATED = "not-strongly-authenticated"
    NOT_A_MEMBER = "not-a-member"
    ROLE_NOT_ALLOWED = "role-not-allowed"
    ALREADY_SUBMITTED = "already-submitted"
    ALREADY_RECEIVED = "already-received"
    NO_SUCH_CASE = "no-such-case"
    TOO_MANY_AT_ONCE = "too-many-at-once"
    TOO_MANY_EVENTS = "too-many-events"
    TOO_MANY_UNFINISHED = "too-many-unfinished"
    TOO_MANY_SUPPLEMENTS = "too-many-supplements"
    WITHDRAWAL_UNDER_WAY = "withdrawal-under-way"
    TOO_LATE_ACCEPTED = "too-late-accepted"
    TOO_LATE_ISSUED = "too-late-issued"
    TOO_LATE_REVOKED = "too-late-revoked"
    TOO_LATE_WITHDRAWN = "too-late-withdrawn"
    TOO_LATE_REFUSED = "too-late-refused"
    TOO_LATE_LAPSED = "too-late-lapsed"

    @property
    def texts(self) -> Texts:
        return ANSWERS[self]


ANSWERS = read_texts("servicecert_intake.domain", "answers", AnswerCode)

TOO_LATE = MappingProxyType(
    {
        CaseState.ACCEPTED: AnswerCode.TOO_LATE_ACCEPTED,
        CaseState.ISSUED: AnswerCode.TOO_LATE_ISSUED,
        CaseState.DELIVERED: AnswerCode.TOO_LATE_ISSUED,
        CaseState.REVOCATION_REQUESTED: AnswerCode.TOO_LATE_REVOKED,
        CaseState.REVOKED: AnswerCode.TOO_LATE_REVOKED,
        CaseState.WITHDRAWN: AnswerCode.TOO_LATE_WITHDRAWN,
        CaseState.REFUSED: AnswerCode.TOO_LATE_REFUSED,
        CaseState.LAPSED: AnswerCode.TOO_LATE_LAPSED,
    }
)
"""The answer to a supplement, a request or a withdrawal in a case that is no longer open (A15)."""
