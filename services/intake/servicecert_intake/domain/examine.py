"""Judge the certificate request of a customer's event before it is decided (A4)."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from servicecert_pki.csr import Csr, judge_csr
from servicecert_pki.key_checks import KEY_CHECKS, KeyCheck
from servicecert_schemas.application import ApplicationSubmitted, ApplicationSupplemented, CsrAttached
from servicecert_worker.core.decider import Event

from .rules.application import JudgedCsr, JudgedKey


def examine(events: Sequence[Event], check: KeyCheck = KEY_CHECKS) -> Sequence[Event]:
    """Return the events, in order, each with its judged request; `check` finds weak and leaked keys."""
    return [_examined(event, check) for event in events]


def _examined(event: Event, check: KeyCheck) -> Event:
    data = event.data
    if not isinstance(data, ApplicationSubmitted | ApplicationSupplemented | CsrAttached) or data.csr is None:
        return event
    return replace(event, facts=judge_request(data.csr, check))


def judge_request(text: str, check: KeyCheck = KEY_CHECKS) -> JudgedCsr:
    """Judge a request. Of a refused one only the reasons are kept, since it may hold a private key."""
    result = judge_csr(text, check)
    if isinstance(result, Csr):
        return JudgedCsr(der=b64encode(result.der).decode(), key=JudgedKey(result.spki_sha256, str(result.family)))
    return JudgedCsr(faults=tuple(fault.code for fault in result))


def csr_of(event: Event) -> JudgedCsr | None:
    """Return the judged request of an examined event, if it has one."""
    return event.facts if isinstance(event.facts, JudgedCsr) else None
