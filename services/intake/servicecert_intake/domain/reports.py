"""What issuer, notifier and revoker report of a case. Each fact is folded in so that the order of their arrival does not matter."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.case import (
    Answer,
    CaseCertificate,
    CaseRevocation,
    CaseState,
    Delivery,
    DeliveryProblem,
    EventRefused,
    HistoryEntry,
    RevocationState,
)
from servicecert_schemas.certificate import CertificateIssued, IssuingRefused, IssuingStopped
from servicecert_schemas.mail import MailBounced, MailEvent, MailGivenUp, MailRefused
from servicecert_schemas.revocation import (
    CertificateRevoked,
    RevocationReason,
    RevocationRefused,
    RevocationRegistered,
)
from servicecert_worker.decider import Decision, Event, Unanswerable

from .answers import TOO_LATE
from .case import Case, is_stopped
from .moves import shown

MOST_DELIVERIES = 100

_PROBLEMS: Mapping[type[MailEvent], DeliveryProblem] = MappingProxyType(
    {
        MailRefused: DeliveryProblem.REFUSED,
        MailGivenUp: DeliveryProblem.GIVEN_UP,
        MailBounced: DeliveryProblem.BOUNCED,
    }
)


def reported(case: Case | None, event: Event, now: datetime) -> Decision[Case]:
    """What follows from what another service reports. Of no case nobody is known to tell, so an operator is."""
    if isinstance(event.data, RevocationRefused) and not _shows(case, event.data):
        return Decision(case, (_refused_beside(event.data, now),))
    if case is None:
        raise Unanswerable("no-such-case", "No application of this case was ever submitted.")
    after = _folded(case, event, now)
    return Decision(case) if after is case else shown(Decision(after))


def _shows(case: Case | None, refused: RevocationRefused) -> bool:
    """Whether a case may show that a revocation was refused: only to those who may act in it (D1)."""
    return case is not None and refused.in_case and refused.account_id == case.account_id


def _refused_beside(data: RevocationRefused, now: datetime) -> EventRefused:
    """The answer to a request for revocation that no case may show: whoever asked may not act there (A2, D1)."""
    return EventRefused(
        event_id=data.request_id,
        case_id=data.case_id,
        account_id=data.account_id,
        code=data.code,
        texts=data.texts,
        at=now,
    )


def _folded(case: Case, event: Event, now: datetime) -> Case:
    """The case with what the event reports; the same one where that is nothing new, or nothing that a customer sees.

    A voided serial number is the issuer's matter: the customer sees a certificate or a refusal. A CRL is no case's.
    """
    match event.data:
        case CertificateIssued() as data:
            return _too_late(_issued(case, data, event.time), now)
        case IssuingRefused(code="withdrawn"):
            return _withdrawn(case, event.time)
        case IssuingRefused() as data if case.unissued_at is None:
            answer = _answer(event.id, data, now)
            return replace(case, unissued_at=event.time, withdrawal=None, answer=answer)
        case IssuingStopped() as data if case.state is CaseState.ACCEPTED:
            return replace(case, answer=_answer(event.id, data, now))
        case MailEvent() as data:
            return _mailed(case, data)
        case RevocationRegistered() as data:
            return _revoked(case, RevocationState.REQUESTED, data)
        case CertificateRevoked() as data:
            return _revoked(case, RevocationState.REVOKED, data)
        case RevocationRefused() as data:
            return replace(case, answer=_answer(data.request_id, data, now))
        case _:
            return case


def _answer(event_id: UUID, data: IssuingRefused | IssuingStopped | RevocationRefused, now: datetime) -> Answer:
    """Why nothing came of an event, as the service says that refused it."""
    return Answer(event_id=event_id, code=data.code, texts=data.texts, at=now)


def _withdrawn(case: Case, at: datetime) -> Case:
    """The withdrawal came in time: nothing was signed (A15)."""
    if case.filed is not CaseState.ACCEPTED:
        return case
    entered = (*case.entered, HistoryEntry(state=CaseState.WITHDRAWN, at=max(at, case.entered[-1].at)))
    return replace(case, filed=CaseState.WITHDRAWN, entered=entered, withdrawal=None, answer=None)


def _too_late(case: Case, now: datetime) -> Case:
    """The case, with the answer to a withdrawal that came after the signing was intended (A15)."""
    if case.withdrawal is None:
        return case
    code = TOO_LATE[CaseState.ISSUED]
    answer = Answer(event_id=case.withdrawal, code=code, texts=code.texts, at=now)
    return replace(case, withdrawal=None, answer=answer)


def _issued(case: Case, data: CertificateIssued, at: datetime) -> Case:
    if case.certificate is not None:
        return case
    certificate = CaseCertificate(
        serial=data.serial,
        serial_decimal=data.serial_decimal,
        issuer=data.issuer,
        subject=data.subject,
        not_before=data.not_before,
        not_after=data.not_after,
        fingerprint=data.fingerprint,
    )
    return replace(case, certificate=certificate, certified_at=at, answer=None if is_stopped(case) else case.answer)


def _mailed(case: Case, data: MailEvent) -> Case:
    problem = _PROBLEMS.get(type(data))
    delivery = Delivery(
        kind=data.kind, recipient=data.recipient, delivered=problem is None, at=data.at, problem=problem
    )
    if delivery in case.deliveries:
        return case
    known = sorted((*case.deliveries, delivery), key=lambda each: (each.at, each.kind, each.recipient, each.delivered))
    return replace(case, deliveries=tuple(known[-MOST_DELIVERIES:]))


def _revoked(case: Case, state: RevocationState, data: RevocationRegistered | CertificateRevoked) -> Case:
    revocation = CaseRevocation(
        state=state,
        reason=data.reason,
        requested_at=data.requested_at,
        revoked_at=data.revoked_at if isinstance(data, CertificateRevoked) else None,
    )
    if case.revocation is not None and _weight(revocation) <= _weight(case.revocation):
        return case
    return replace(case, revocation=revocation)


def _weight(revocation: CaseRevocation) -> tuple[bool, bool, float]:
    """Which of two says more: being revoked, an exposed key (D3: it overrides a weaker reason), the earlier request."""
    return (
        revocation.state is RevocationState.REVOKED,
        revocation.reason is RevocationReason.KEY_EXPOSED,
        -revocation.requested_at.timestamp(),
    )
