"""What there is to find out about an event before it is decided: whether its certificate request is good (A4)."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.key_checks import BATTERY, KeyCheck
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, CsrAttached
from servicecert_worker.decider import Event

from .rules.application import JudgedCsr, JudgedKey


def examine(events: Sequence[Event], check: KeyCheck = BATTERY) -> Sequence[Event]:
    """The events, in order, those that bring a certificate request with it judged; `check` finds weak and lost keys."""
    return [_examined(event, check) for event in events]


def _examined(event: Event, check: KeyCheck) -> Event:
    data = event.data
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented | CsrAttached) or data.csr is None:
        return event
    return replace(event, facts=judged(data.csr, check))


def judged(text: str, check: KeyCheck = BATTERY) -> JudgedCsr:
    """The request judged. Of one that is refused only the reasons are kept, since it may hold a private key."""
    found = judge_csr(text, check)
    if isinstance(found, Csr):
        return JudgedCsr(der=b64encode(found.der).decode(), key=JudgedKey(found.spki_sha256, str(found.family)))
    return JudgedCsr(faults=tuple(fault.code for fault in found))
