"""What each mail tells, taken from what happened (C1, C4, D5). Pure."""

from datetime import datetime
from hashlib import sha256

from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import CertificateRevoked

from .case_facts import Correspondence, known_by, sentences
from .reminders import Expiry, Owed, day_of
from .task import (
    Content,
    ExpiringContent,
    InvitedContent,
    IssuedContent,
    LapsedContent,
    NearsLapseContent,
    RefusedContent,
    ReturnedContent,
    RevokedContent,
)


def occasion_of(case: CaseChanged) -> str:
    """What a case's coming to a state is recognised by: when it came there, and for what.

    The version does not do: it also grows when a delivered mail is entered into the view, and each mail would bring about the next.
    """
    since = max((entry.at for entry in case.history if entry.state is case.state), default=None)
    lacking = "\n".join(f"{deficiency.code} {deficiency.field}" for deficiency in case.deficiencies)
    return sha256(f"{since}\n{lacking}".encode()).hexdigest()[:32]


def of_view(case: CaseChanged) -> Content | None:
    """What a case's new state has its people told; nothing in a state that they need not hear of."""
    name, reference = known_by(case), case.applied_for.customer_reference
    match case.state:
        case CaseState.WAITING_FOR_CSR:
            wanted = case.applied_for
            return InvitedContent(
                type=case.type, applied_for=name, unit=wanted.unit_long_name, dns=wanted.dns, lapses=case.lapses
            )
        case CaseState.RETURNED if case.deficiencies:
            return ReturnedContent(
                type=case.type,
                applied_for=name,
                customer_reference=reference,
                deficiencies=sentences(case.deficiencies, case.language),
                lapses=case.lapses,
            )
        case CaseState.LAPSED:
            return LapsedContent(
                type=case.type, applied_for=name, customer_reference=reference, since=case.history[0].at
            )
        case CaseState.REFUSED if _was_judged(case):
            return RefusedContent(
                type=case.type, applied_for=name, customer_reference=reference, reasons=_reasons(case)
            )
        case _:
            return None


def _was_judged(case: CaseChanged) -> bool:
    """Whether a refusal is one of an application, and not of somebody who was not strongly authenticated (A2): nobody else has mails sent by us."""
    return bool(case.deficiencies) or any(entry.state is CaseState.ACCEPTED for entry in case.history)


def _reasons(case: CaseChanged) -> tuple[str, ...]:
    """Why an application is refused: what it lacks for good, and what was answered to it."""
    answered = (case.answer.texts.in_language(case.language),) if case.answer else ()
    return sentences(case.deficiencies, case.language) or answered


def of_issued(event: CertificateIssued) -> Content:
    """What tells of a certificate."""
    return IssuedContent(
        type=event.type,
        serial=event.serial,
        serial_decimal=event.serial_decimal,
        subject=event.subject,
        not_before=event.not_before,
        not_after=event.not_after,
        fingerprint=event.fingerprint,
        certificate=event.certificate,
        chain=event.chain,
    )


def of_revoked(event: CertificateRevoked) -> Content:
    """What tells of a revocation."""
    return RevokedContent(
        serial=event.serial,
        serial_decimal=event.serial_decimal,
        subject=event.subject,
        reason=event.reason,
        requested_at=event.requested_at,
        revoked_at=event.revoked_at,
        invalid_since=event.invalid_since,
        crl_number=event.crl_number,
        crl_url=event.crl_url,
    )


def of_reminder(reminder: Owed, told: Correspondence, now: datetime) -> tuple[Content, str]:
    """What reminds of an end that comes, and the occasion by which it is sent once."""
    if isinstance(reminder, Expiry):
        certificate = reminder.certificate
        content = ExpiringContent(
            kind=reminder.kind,
            type=told.type,
            serial=certificate.serial,
            serial_decimal=certificate.serial_decimal,
            subject=certificate.subject,
            not_after=certificate.not_after,
            days_left=(day_of(certificate.not_after) - day_of(now)).days,
        )
        return content, certificate.serial
    application, warned = reminder.application, reminder.warned
    lapse = NearsLapseContent(
        type=told.type,
        applied_for=application.name,
        customer_reference=application.reference,
        waits_for_csr=application.waits_for_csr,
        lacking=application.lacking,
        since=warned.since,
        lapses=warned.until,
    )
    return lapse, str(warned.mark)
