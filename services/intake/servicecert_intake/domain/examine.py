"""Read a customer's event before it is decided: trimmed form, recipients (C1), judged certificate request (A4)."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.key_checks import KEY_CHECKS, KeyCheck
from servicecert_schemas.application import (
    ApplicationSubmitted,
    ApplicationSupplemented,
    Attachment,
    CsrAttached,
    Form,
)
from servicecert_schemas.certificate import Recipient
from servicecert_schemas.event import EventData
from servicecert_schemas.values import Value
from servicecert_worker.decider import Event, Facts

from .rules.application import JudgedCsr, JudgedKey
from .rules.recipients import recipients

V = TypeVar("V", bound=Value)


@dataclass(frozen=True, slots=True)
class ApplicationParts(Facts):
    """The parts of an application in an event: form, attachments and recipients, or the request, or all."""

    form: Form | None = None
    attachments: tuple[Attachment, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    csr: JudgedCsr | None = None


def examine(events: Sequence[Event], check: KeyCheck = KEY_CHECKS) -> Sequence[Event]:
    """Return the events, in order, each with its application parts; `check` finds weak and leaked keys."""
    return [_examined(event, check) for event in events]


def _examined(event: Event, check: KeyCheck) -> Event:
    data = event.data
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented | CsrAttached):
        return event
    return replace(event, facts=application_parts(data, None if data.csr is None else judge_request(data.csr, check)))


def application_parts(data: EventData, csr: JudgedCsr | None) -> ApplicationParts:
    """Return the application parts of an event whose request was judged already."""
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented):
        return ApplicationParts(csr=csr)
    attachments = tuple(_trimmed(each, "system_id", "certificate_number") for each in data.attachments)
    return ApplicationParts(_normalised_form(data.form), attachments, recipients(data.form), csr)


def judge_request(text: str, check: KeyCheck = KEY_CHECKS) -> JudgedCsr:
    """Judge a request. Of a refused one only the reasons are kept, since it may hold a private key."""
    result = judge_csr(text, check)
    if isinstance(result, Csr):
        return JudgedCsr(der=b64encode(result.der).decode(), key=JudgedKey(result.spki_sha256, str(result.family)))
    return JudgedCsr(faults=tuple(fault.code for fault in result))


def _normalised_form(form: Form) -> Form:
    """Return the form with business id, OID, unit, system id and followed serial number trimmed, or the same object."""
    applicant = _trimmed(form.applicant, "business_id", "organisation_oid")
    system = form.information_system
    if system is not None:
        system = _trimmed(system, "system_id")
    form = _trimmed(form, "unit_long_name", "follows")
    if applicant is form.applicant and system is form.information_system:
        return form
    return form.model_copy(update={"applicant": applicant, "information_system": system})


def _trimmed(value: V, *fields: str) -> V:
    """Return the value with these fields, which are compared exactly, trimmed. A no-break space is a space."""
    typed: dict[str, str] = {name: text for name in fields if (text := getattr(value, name))}
    trimmed = {name: text.replace("\u00a0", " ").strip() for name, text in typed.items()}
    return value if trimmed == typed else value.model_copy(update=trimmed)
