"""Read a customer's event before it is decided: recipients (C1), judged certificate request (A4)."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace

from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.key_checks import KEY_CHECKS, KeyCheck
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, CsrAttached
from servicecert_schemas.certificate import Recipient
from servicecert_schemas.event import EventData
from servicecert_worker.core.decider import Event, Facts

from .rules.application import JudgedCsr, JudgedKey
from .rules.recipients import recipients


@dataclass(frozen=True, slots=True)
class ApplicationParts(Facts):
    """What was read from an event: the recipients of its form, and its judged request."""

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
    form = data.form if isinstance(data, ApplicationSubmitted | ApplicationSupplemented) else None
    return ApplicationParts(() if form is None else recipients(form), csr)


def judge_request(text: str, check: KeyCheck = KEY_CHECKS) -> JudgedCsr:
    """Judge a request. Of a refused one only the reasons are kept, since it may hold a private key."""
    result = judge_csr(text, check)
    if isinstance(result, Csr):
        return JudgedCsr(der=b64encode(result.der).decode(), key=JudgedKey(result.spki_sha256, str(result.family)))
    return JudgedCsr(faults=tuple(fault.code for fault in result))
