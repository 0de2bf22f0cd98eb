"""What the issuer drew and signed before, by the events that it published: for a replay. Pure.

An announcement holds the bytes that were intended, so the intent is the same again, serial number included. If its
certificate was published, nothing is signed; if not, the first worker signs these bytes.
"""

from base64 import b64decode
from dataclasses import fields
from datetime import datetime

from pydantic import BaseModel
from servicecert_pki import der
from servicecert_schemas.certificate import (
    ApplicationAccepted,
    CertificateIntended,
    CertificateIssued,
    CertificateVoided,
)
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import KeyCompromised
from servicecert_worker.core.decider import Event, Examined, Facts, Recall, Task
from servicecert_worker.core.published import PublishedEvents

from .decide import EXAMINE, SIGN
from .issuance import Linted, Signed, Unsigned

_SAID = [it.name for it in fields(Linted) if it.name not in ("tbs", "business_id")]


def _facts(event: Event, published: PublishedEvents) -> Facts | None:
    return _draft(event.data, published) if isinstance(event.data, ApplicationAccepted) else None


def _draft(application: ApplicationAccepted, published: PublishedEvents) -> Linted | None:
    """Return the draft that was intended for an application."""
    for each in published.of(application.key()):
        match each.data:
            case CertificateIntended() as intended:
                return _linted(intended, application, b64decode(intended.tbs))
            case CertificateIssued() as issued:
                # Issued before intents were announced.
                return _linted(issued, application, der.parts(b64decode(issued.certificate))[0])
    return None


def _linted(told: CertificateIntended | CertificateIssued, application: ApplicationAccepted, tbs: bytes) -> Linted:
    """Return the draft that an event tells of, as the issuer checked it then."""
    said = {name: getattr(told, name) for name in _SAID}
    return Linted(tbs=tbs, business_id=application.subject.business_id, **said)


def _result(task: Task, published: PublishedEvents) -> BaseModel | None:
    if task.kind == EXAMINE:
        draft = _draft(task.data, published)
        return None if draft is None else Examined(facts=draft)
    return _end(task.key, published) if task.kind == SIGN else None


def _end(case: str, published: PublishedEvents) -> Signed | Unsigned | None:
    """Return how the signing of a case's certificate ended."""
    for each in published.of(case):
        match each.data:
            case CertificateIssued() as issued:
                return Signed(
                    certificate=b64decode(issued.certificate),
                    chain=tuple(map(b64decode, issued.chain)),
                    subject=issued.subject,
                    fingerprint=issued.fingerprint,
                )
            case CertificateVoided() as voided:
                return Unsigned(code=voided.code)
    return None


def _decided_after(data: EventData, published: PublishedEvents) -> datetime | None:
    """Return when the last certificate for a compromised key was intended: the key was blocked only later (D6)."""
    if not isinstance(data, KeyCompromised):
        return None
    return max(
        (
            each.time
            for each in published
            if isinstance(each.data, CertificateIntended) and each.data.key_sha256 == data.key_sha256
        ),
        default=None,
    )


RECALL = Recall(facts=_facts, result=_result, decided_after=_decided_after)
