"""What follows from what happened to a case at the issuer. Pure."""

from base64 import b64encode
from datetime import datetime
from uuid import UUID

from servicecert_schemas.certificate import ApplicationAccepted, CertificateIssued, IssuingRefused
from servicecert_worker.decider import Decision, Event, Happened, Intent, Result

from .issuance import Allocated, Intended, Recorded, Refused, Signed, SigningOrder, State
from .refusals import Unissuable


def decide(state: State | None, happened: Happened, _known: None, _now: datetime) -> Decision[State]:
    """Intend once, record once.

    A case that is intended, issued or refused stays so whatever else is accepted for it (I3). A withdrawal comes too late: what is accepted
    is intended in the same step (A15). A second signature of the same bytes is dropped, the first is the certificate.
    """
    match happened:
        case Event(data=ApplicationAccepted() as application, facts=facts) if state is None:
            return _refuse(application, facts) if isinstance(facts, Unissuable) else _intend(application, facts)
        case Result(data=Signed() as signed) if isinstance(state, Intended):
            return _record(happened.key, state, signed)
        case _:
            return Decision(state)


def _intend(application: ApplicationAccepted, allocated: Allocated) -> Decision[State]:
    intended = Intended.of(allocated, application)
    return Decision(intended, intents=(Intent("sign", SigningOrder.of(intended)),))


def _refuse(application: ApplicationAccepted, reason: Unissuable) -> Decision[State]:
    refused = IssuingRefused(case_id=application.case_id, code=reason.code, texts=reason.texts)
    return Decision(Refused(reason.code), events=(refused,))


def _record(key: str, intended: Intended, signed: Signed) -> Decision[State]:
    recorded = Recorded.of(intended, signed)
    allocated, grant = intended.allocated, intended.grant
    issued = CertificateIssued(
        case_id=UUID(key),
        account_id=grant.account_id,
        decision_id=grant.decision_id,
        type=grant.type,
        issuer=allocated.issuer,
        serial=allocated.serial_hex,
        serial_decimal=str(allocated.serial),
        subject=signed.subject,
        not_before=allocated.not_before,
        not_after=allocated.not_after,
        fingerprint=signed.fingerprint,
        key_sha256=allocated.key_sha256,
        profile=allocated.profile,
        profile_version=allocated.profile_version,
        partition=allocated.partition,
        certificate=b64encode(signed.certificate).decode(),
        chain=tuple(b64encode(certificate).decode() for certificate in signed.chain),
        due=grant.due,
        language=grant.language,
        recipients=grant.recipients,
    )
    return Decision(recorded, events=(issued,))
