"""What there is to find out about an event before it is decided: whether its certificate request is good (A4)."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from servicecert_pki.csr import Csr, judge_csr
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, CsrAttached
from servicecert_worker.decider import Event

from .rules.application import JudgedCsr, JudgedKey


def examine(events: Sequence[Event]) -> Sequence[Event]:
    """The events, in order, those that bring a certificate request with it judged."""
    return [_examined(event) for event in events]


def _examined(event: Event) -> Event:
    data = event.data
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented | CsrAttached) or data.csr is None:
        return event
    return replace(event, facts=judged(data.csr))


def judged(text: str) -> JudgedCsr:
    """The request judged. Of one that is refused only the reasons are kept, since it may hold a private key."""
    found = judge_csr(text)
    if isinstance(found, Csr):
        return JudgedCsr(der=b64encode(found.der).decode(), key=JudgedKey(found.spki_sha256, str(found.family)))
    return JudgedCsr(faults=tuple(fault.code for fault in found))
