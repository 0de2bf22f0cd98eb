"""What the issuer drew and signed before, by the events that it published: for a replay. Pure.

A certificate that was published holds the bytes that were intended, so the intent is the same again, serial number
included, and nothing is signed.
"""

from base64 import b64decode

from pydantic import BaseModel
from servicecert_pki import der
from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued, CertificateVoided
from servicecert_worker.decider import Event, Examined, Facts, Recall, Task
from servicecert_worker.domain.published import PublishedEvents

from .decide import EXAMINE, SIGN
from .issuance import Allocated, Linted, Signed, Unsigned


def _facts(event: Event, published: PublishedEvents) -> Facts | None:
    return _draft(event.data, published) if isinstance(event.data, ApplicationAccepted) else None


def _draft(application: ApplicationAccepted, published: PublishedEvents) -> Linted | None:
    """Return the draft that was intended for an application."""
    business_id = application.subject.business_id
    for each in published.of(application.key()):
        if isinstance(each.data, CertificateIssued):
            return Linted(_allocated(each.data, business_id))
    return None


def _allocated(issued: CertificateIssued, business_id: str) -> Allocated:
    certificate = b64decode(issued.certificate)
    tbs = next(der.members(certificate, der.read(certificate)))
    return Allocated(
        issuer=issued.issuer,
        serial=int(issued.serial, 16),
        profile=issued.profile,
        profile_version=issued.profile_version,
        not_before=issued.not_before,
        not_after=issued.not_after,
        key_sha256=issued.key_sha256,
        business_id=business_id,
        tbs=certificate[tbs.start : tbs.end],
        partition=issued.partition,
    )


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


RECALL = Recall(facts=_facts, result=_result)
