"""What there is to find out about a customer's event before it is decided: what it means, whom the mails go to (C1),
and whether its request is good (A4)."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.key_checks import BATTERY, KeyCheck
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
class Received(Facts):
    """The parts of an application that an event brings: form, attachments and recipients, or the request, or all."""

    form: Form | None = None
    attachments: tuple[Attachment, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    csr: JudgedCsr | None = None


def examine(events: Sequence[Event], check: KeyCheck = BATTERY) -> Sequence[Event]:
    """The events, in order, with what they bring of an application read; `check` finds weak and lost keys."""
    return [_examined(event, check) for event in events]


def _examined(event: Event, check: KeyCheck) -> Event:
    data = event.data
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented | CsrAttached):
        return event
    return replace(event, facts=received(data, None if data.csr is None else judged(data.csr, check)))


def received(data: EventData, csr: JudgedCsr | None) -> Received:
    """What came with an event whose request was judged already."""
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented):
        return Received(csr=csr)
    attachments = tuple(_trimmed(each, "system_id", "certificate_number") for each in data.attachments)
    return Received(_form_as_meant(data.form), attachments, recipients(data.form), csr)


def judged(text: str, check: KeyCheck = BATTERY) -> JudgedCsr:
    """The request judged. Of one that is refused only the reasons are kept, since it may hold a private key."""
    found = judge_csr(text, check)
    if isinstance(found, Csr):
        return JudgedCsr(der=b64encode(found.der).decode(), key=JudgedKey(found.spki_sha256, str(found.family)))
    return JudgedCsr(faults=tuple(fault.code for fault in found))


def _form_as_meant(form: Form) -> Form:
    """The form with business id, OID, unit, system's id and followed serial number trimmed, or the same one."""
    applicant = _trimmed(form.applicant, "business_id", "organisation_oid")
    system = form.information_system
    if system is not None:
        system = _trimmed(system, "system_id")
    form = _trimmed(form, "unit_long_name", "follows")
    if applicant is form.applicant and system is form.information_system:
        return form
    return form.model_copy(update={"applicant": applicant, "information_system": system})


def _trimmed(value: V, *fields: str) -> V:
    """The value with those fields that are compared letter by letter freed of blanks around them, which nobody sees.

    A blank that does not break the line is a blank, as in the registers' files.
    """
    typed: dict[str, str] = {name: text for name in fields if (text := getattr(value, name))}
    meant = {name: text.replace("\u00a0", " ").strip() for name, text in typed.items()}
    return value if meant == typed else value.model_copy(update=meant)
