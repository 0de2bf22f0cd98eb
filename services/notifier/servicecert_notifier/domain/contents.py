"""The mails that an event causes: their content, made from it, and what they are about (C1, C4, D5). Pure."""

from datetime import datetime, timedelta
from hashlib import sha256

from servicecert_schemas.case import CaseChanged, CaseState
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_worker.core.decider import Event

from .case_facts import application_of
from .ledger import RETRY_PERIOD, Mailing
from .task import Content, InvitedContent, IssuedContent, LapsedContent, RefusedContent, ReturnedContent, RevokedContent

MIN_RETRY_PERIOD = timedelta(days=1)
"""How long a certificate is tried at least, also if its delivery is due sooner or is overdue."""


def mailing_of(event: Event, now: datetime) -> Mailing | None:
    """Return the mails that an event causes, None if it causes none now."""
    content: Content | None
    give_up_at = now + RETRY_PERIOD
    match event.data:
        case CertificateIssued() as data:
            content, about = IssuedContent.model_validate(data, from_attributes=True), data.serial
            give_up_at = max(data.due, now + MIN_RETRY_PERIOD)
        case CertificateRevoked() as data:
            content, about = RevokedContent.model_validate(data, from_attributes=True), str(data.request_id)
        case CaseChanged() as data:
            content, about = _of_view(data), _arrival(data)
        case _:
            return None
    return None if content is None else Mailing(content, about, data.language, data.recipients, event.time, give_up_at)


def _arrival(case: CaseChanged) -> str:
    """Return what identifies a case's arrival in a state: a hash of the time, the deficiencies, and what was returned.

    The version does not identify it: it also grows when a delivery enters the view, so each mail would cause the next.
    """
    since = max((entry.at for entry in case.history if entry.state is case.state), default=None)
    lacking = "\n".join(f"{deficiency.code} {deficiency.field}" for deficiency in case.deficiencies)
    again = f"\n{case.returned_again}" if case.state is CaseState.RETURNED and case.returned_again else ""
    return sha256(f"{since}\n{lacking}{again}".encode()).hexdigest()[:32]


def _of_view(case: CaseChanged) -> Content | None:
    """Return the content for a case's new state, None for a state that needs no mail."""
    application = application_of(case)
    name, reference, lacking = application.name, application.reference, application.lacking
    match case.state:
        case CaseState.WAITING_FOR_CSR:
            unit, dns = case.applied_for.unit_long_name, case.applied_for.dns
            return InvitedContent(type=case.type, applied_for=name, unit=unit, dns=dns, lapses=case.lapses)
        case CaseState.RETURNED if lacking:
            return ReturnedContent(
                type=case.type, applied_for=name, customer_reference=reference, deficiencies=lacking, lapses=case.lapses
            )
        case CaseState.LAPSED:
            return LapsedContent(
                type=case.type, applied_for=name, customer_reference=reference, since=case.history[0].at
            )
        case CaseState.REFUSED if lacking or any(entry.state is CaseState.ACCEPTED for entry in case.history):
            # Else it was never judged: the refusal of a weakly authenticated user causes no mail (A2).
            answer = (case.answer.texts.in_language(case.language),) if case.answer else ()
            return RefusedContent(
                type=case.type, applied_for=name, customer_reference=reference, reasons=lacking or answer
            )
        case _:
            return None
