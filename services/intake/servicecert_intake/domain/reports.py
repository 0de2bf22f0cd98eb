"""Reports of issuer, notifier and revoker. Each is added to the case as a fact, so that their order does not matter."""

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
    RevocationState,
)
from servicecert_schemas.certificate import CertificateIssued, IssuingRefused, IssuingStopped
from servicecert_schemas.mail import MailBounced, MailEvent, MailGivenUp, MailRefused
from servicecert_schemas.revocation import CertificateRevoked, RevocationReason, RevocationRefused, RevocationRegistered
from servicecert_worker.core.decider import Decision, Event, Unanswerable

from .case import Case
from .moves import transition
from .view import ANSWERS, TOO_LATE

MOST_DELIVERIES = 100

_PROBLEMS: Mapping[type[MailEvent], DeliveryProblem] = MappingProxyType(
    {MailRefused: DeliveryProblem.REFUSED, MailGivenUp: DeliveryProblem.GIVEN_UP, MailBounced: DeliveryProblem.BOUNCED}
)


def handle_report(case: Case | None, event: Event, now: datetime) -> Decision[Case]:
    """Decide another service's report. Raise `Unanswerable` where there is no such case: an operator has to look."""
    data = event.data
    # A case shows that a revocation was refused only to users who may act in it (A2, D1).
    if isinstance(data, RevocationRefused) and (case is None or not data.in_case or data.account_id != case.account_id):
        answer = EventRefused(
            event_id=data.request_id,
            case_id=data.case_id,
            account_id=data.account_id,
            code=data.code,
            texts=data.texts,
            at=now,
        )
        return Decision(case, (answer,))
    if case is None:
        raise Unanswerable("no-such-case", "No application of this case was ever submitted.")
    if isinstance(data, IssuingRefused) and data.code == "withdrawn":
        # Nothing was signed (A15).
        if case.filed is CaseState.ACCEPTED:
            return transition(case, CaseState.WITHDRAWN, event.time, withdrawal=None, forwarded=None)
        return Decision(case)
    return Decision(_fold(case, event, now))


def _fold(case: Case, event: Event, now: datetime) -> Case:
    """Return the case with the reported fact, or the same object where a customer sees nothing new."""
    match event.data:
        case CertificateIssued() as data:
            return _issued(case, data, event.time, now)
        case IssuingRefused() as data if case.unissued_at is None:
            refused = replace(case, unissued_at=event.time, refusal=data.texts, withdrawal=None, forwarded=None)
            return replace(refused, answer=_answer(event.id, data, now))
        case IssuingStopped() as data if case.state is CaseState.ACCEPTED and not _says(case, data):
            return replace(case, stopped=True, answer=_answer(event.id, data, now))
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
    return Answer(event_id=event_id, code=data.code, texts=data.texts, at=now)


def _says(case: Case, data: IssuingStopped) -> bool:
    return case.answer is not None and case.answer.code == data.code


def _issued(case: Case, data: CertificateIssued, at: datetime, now: datetime) -> Case:
    """Return the case with its certificate, and with the answer to a withdrawal that came too late for it (A15)."""
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
        der=data.certificate,
    )
    is_over = case.answer is not None and case.answer.code.startswith("stopped")
    answer = None if is_over else case.answer
    if case.withdrawal is not None:
        code = TOO_LATE[CaseState.ISSUED]
        answer = Answer(event_id=case.withdrawal, code=code, texts=ANSWERS[code], at=now)
    return replace(case, certificate=certificate, certified_at=at, answer=answer, withdrawal=None, forwarded=None)


def _mailed(case: Case, data: MailEvent) -> Case:
    problem = _PROBLEMS.get(type(data))
    mail = Delivery(
        **data.model_dump(include={"kind", "recipient", "at", "planned_at"}), delivered=problem is None, problem=problem
    )
    if mail in case.deliveries:
        return case
    deliveries = sorted((*case.deliveries, mail), key=lambda each: (each.at, each.kind, each.recipient, each.delivered))
    kept = tuple(deliveries[-MOST_DELIVERIES:])
    return case if kept == case.deliveries else replace(case, deliveries=kept)


def _revoked(case: Case, state: RevocationState, data: RevocationRegistered | CertificateRevoked) -> Case:
    """Return the case with its revocation after two reports in any order.

    The reason is that of a published CRL, where there is one; of two, an exposed key overrides the other (D3). The
    times are the first ones, since revocation is never undone. An answer from before the request is over.
    """
    times = {"requested_at": data.requested_at}
    if isinstance(data, CertificateRevoked):
        times |= {"revoked_at": data.revoked_at, "published_at": data.published_at}
    reported = CaseRevocation(state=state, reason=data.reason, **times)
    before = case.revocation or reported
    names = ("requested_at", "revoked_at", "published_at")
    moments = {name: (getattr(before, name), getattr(reported, name)) for name in names}
    first = {name: min(filter(None, both), default=None) for name, both in moments.items()}
    after = max(before, reported, key=_weight).model_copy(update=first)
    answer = case.answer if case.answer is None or case.answer.at >= data.requested_at else None
    return case if after == case.revocation else replace(case, revocation=after, answer=answer)


def _weight(revocation: CaseRevocation) -> tuple[bool, bool, float]:
    """Return a revocation's rank: revoked, then a compromised key (D3: overrides others), then the earlier request."""
    return (
        revocation.state is RevocationState.REVOKED,
        revocation.reason is RevocationReason.KEY_EXPOSED,
        -revocation.requested_at.timestamp(),
    )
