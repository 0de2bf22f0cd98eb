"""What others see of a case: its view and next step (E1, E4), answers, how long it took.

An answer tells why an event changed nothing, and what to do.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import uuid5

from pydantic import ValidationError
from servicecert_schemas.case import NEXT_ACTORS, NO_CASE, AppliedFor, CaseChanged, CaseState, EventRefused, NextActor
from servicecert_schemas.codec import Undecodable, read_envelope
from servicecert_schemas.membership import TOO_MANY_MEMBERS
from servicecert_schemas.topics import ACCOUNTS, Topic
from servicecert_schemas.values import Language, Texts
from servicecert_worker.core.decider import Event
from servicecert_worker.core.texts import read_texts

from .case import Case, history, mails_ended, revocation_of

if TYPE_CHECKING:
    from servicecert_worker.core.record import Record

MOST_TYPED_CHARACTERS = 20_000
"""How many characters of typed names a view repeats, so that every case fits an event: a hundred of the longest."""

NEXT_STEPS = read_texts(
    "servicecert_intake.domain",
    "next-steps",
    (
        *CaseState,
        "returned-without-request",
        "undelivered",
        "correct-the-address",
        "address-missed",
        "shortened",
        "stopped",
    ),
)
"""The texts of the next step, by state or by a situation within one."""

_SUPPLEMENTED = (CaseState.RETURNED, CaseState.WAITING_FOR_CSR)
_WITH_THE_SERVICE = (CaseState.ACCEPTED, CaseState.ISSUED, CaseState.DELIVERED)


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


ANSWERS = read_texts("servicecert_intake.domain", "answers", AnswerCode)
UNCHANGED = read_texts("servicecert_intake.domain", "unchanged", ("account", "full", "record"))

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


def account_unchanged(topic: Topic, record: "Record", code: str, now: datetime) -> Event | None:
    """Return the answer to a record of `accounts` that changes nothing, to be decided once; None where it has no id."""
    if topic is not ACCOUNTS:
        return None
    try:
        envelope = read_envelope(record.key, record.headers)
        refused = EventRefused(
            event_id=envelope.id,
            case_id=NO_CASE,
            account_id=envelope.partitionkey,
            code=code,
            texts=UNCHANGED["full" if code == TOO_MANY_MEMBERS else "account" if code in ANSWERS else "record"],
            at=now,
        )
    except (Undecodable, ValidationError):
        return None
    return Event(uuid5(envelope.id, refused.TYPE), refused.key(), refused, now, record=record)


def case_changed(case: Case) -> CaseChanged:
    state = case.state
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
        due=None if state in (CaseState.WITHDRAWN, CaseState.REFUSED) else case.due,
        decision=case.decision,
        certificate=case.certificate,
        revocation=revocation_of(case),
        deliveries=case.deliveries,
        answer=case.answer,
        history=history(case),
        recipients=case.recipients,
        lapses=case.lapses,
        renewal=case.renewal,
        returned_again=case.returned_again,
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
    lengths = accumulate(map(len, names))
    return tuple(name for name, length in zip(names, lengths, strict=True) if length <= characters)


def next_step(case: Case, state: CaseState) -> Texts:
    """Return the next step of a case in `state`.

    It says so where a certificate is shorter than was accepted (B1), and what to do where a mail did not arrive (C3).
    """
    steps = [NEXT_STEPS[_situation(case, state)]]
    if is_shortened(case) and state in _WITH_THE_SERVICE:
        steps.append(NEXT_STEPS["shortened"])
    if is_missed(case) and not _is_undelivered(case, state):
        if state in _SUPPLEMENTED:
            steps.append(NEXT_STEPS["correct-the-address"])
        elif state in _WITH_THE_SERVICE:
            steps.append(NEXT_STEPS["address-missed"])
    return joined(*steps)


def joined(*texts: Texts) -> Texts:
    return Texts(**{language: " ".join(each.in_language(language) for each in texts) for language in Language})


def acts_next(case: Case, state: CaseState) -> NextActor:
    """Return who acts next in a case in `state`: the applicant, if `next_step` asks for a right address (C3)."""
    if _is_undelivered(case, state) or (state in (*_SUPPLEMENTED, *_WITH_THE_SERVICE) and is_missed(case)):
        return NextActor.APPLICANT
    return NEXT_ACTORS[state]


def _is_undelivered(case: Case, state: CaseState) -> bool:
    return state is CaseState.ISSUED and mails_ended(case)


def _situation(case: Case, state: CaseState) -> str:
    if _is_undelivered(case, state):
        return "undelivered"
    if state is CaseState.RETURNED and case.csr is None:
        return "returned-without-request"
    # A case that 1.1.0 stored says so by its answer alone.
    is_stopped = case.stopped or (case.answer is not None and case.answer.code == "stopped")
    return "stopped" if state is CaseState.ACCEPTED and is_stopped else state


def is_shortened(case: Case) -> bool:
    """Return whether the certificate is valid for fewer days than accepted, as it was signed after it was due (B1)."""
    asked, certificate = case.form.validity_days, case.certificate
    if asked is None or certificate is None:
        return False
    return certificate.not_after - certificate.not_before < timedelta(days=asked) - timedelta(seconds=1)


def is_missed(case: Case) -> bool:
    """Return whether the last mail to a current recipient of the case failed, since its address was corrected."""
    since = dict(case.readdressed)
    planned = ((it, it.planned_at or it.at) for it in case.deliveries)
    last = {mail.recipient: mail for mail, at in planned if at >= since.get(mail.recipient, at)}
    return any(each.role in last and not last[each.role].delivered for each in case.recipients)


_SINCE = {
    CaseState.ACCEPTED: CaseState.SUBMITTED,
    CaseState.ISSUED: CaseState.SUBMITTED,
    CaseState.DELIVERED: CaseState.SUBMITTED,
    CaseState.REVOKED: CaseState.REVOCATION_REQUESTED,
}


def stages(before: Case | None, after: Case) -> Sequence[tuple[str, float]]:
    """Return the stages that a case has reached, with the seconds since its submission, or since the request."""
    reached = _began(before) if before is not None else {}
    began = _began(after)
    return [
        (str(state), max(0.0, (began[state] - began[since]).total_seconds()))
        for state, since in _SINCE.items()
        if state in began and state not in reached and since in began
    ]


def _began(case: Case) -> Mapping[CaseState, datetime]:
    return {entry.state: entry.at for entry in reversed(history(case)) if isinstance(entry.state, CaseState)}
