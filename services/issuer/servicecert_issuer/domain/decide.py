"""What follows from what happened to a case at the issuer. Pure."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from servicecert_schemas.certificate import (
    AcceptedWithdrawn,
    ApplicationAccepted,
    CertificateIssued,
    CertificateVoided,
    IssuingRefused,
    IssuingStopped,
)
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.event import EventData
from servicecert_worker.decider import Decision, Due, Event, Examined, Facts, FactsInvalid, Happened, Intent, Result

from .issuance import (
    Intended,
    Linted,
    Recorded,
    Refused,
    Signed,
    SigningOrder,
    State,
    Stopped,
    Unsigned,
    Untimely,
    Voided,
)
from .recheck_plan import Rechecked, plan
from .refusals import STOPPED, VOIDED, WITHDRAWN, Unissuable

Decided: TypeAlias = Decision[State]

SIGN = "sign"
EXAMINE = "examine"
RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Decide:
    """Intends once, and ends what is intended once: with a certificate, or void.

    `sign_within` is how long an intention may wait for its CA's key.
    """

    sign_within: timedelta

    def __call__(self, state: State | None, happened: Happened, _known: None, now: datetime) -> Decided:
        """A case that is intended, or has come to its end, stays so whatever else is accepted or withdrawn for it (I3, A15).

        A second result of the same act is dropped: the first is what came of it.
        """
        match happened:
            case Event(data=ApplicationAccepted() as application, facts=facts) if state is None:
                return self._begin(None, application, facts, now)
            case Event(data=AcceptedWithdrawn() as withdrawn) if state is None or isinstance(state, Stopped):
                return _refuse(withdrawn.case_id, WITHDRAWN)
            case Due(kind="retry") if isinstance(state, Stopped):
                return Decision(state, intents=(Intent(EXAMINE, state.application),))
            case Result(data=Examined(facts=facts)) if isinstance(state, Stopped):
                return self._begin(state, state.application, facts, now)
            case Result(data=Signed() as signed) if isinstance(state, Intended):
                return _record(happened.key, state, signed)
            case Result(data=Unsigned() as unsigned) if isinstance(state, Intended):
                return _void(happened.key, state, unsigned)
            case Due(kind="recheck") | Result(data=Rechecked()):
                return plan(happened, now)
            case _:
                return Decision(state)

    def _begin(
        self, state: Stopped | None, application: ApplicationAccepted, facts: Facts | None, now: datetime
    ) -> Decided:
        """What follows from what was found out about an application. Raises FactsInvalid where it was found out under a wrong clock."""
        match facts:
            case Linted():
                intended = Intended.of(facts, application, now + self.sign_within)
                return Decision(intended, intents=(Intent(SIGN, SigningOrder.of(intended)),))
            case Unissuable():
                return _refuse(application.case_id, facts)
            case Stopped():
                return _stop(state, facts)
            case Untimely(text=text):
                raise FactsInvalid(text)
        raise TypeError(f"An accepted application is examined to {type(facts).__name__}.")


def is_relevant(data: EventData) -> bool:
    """Whether anything can follow from an event: of what becomes of certificates, only that a key is compromised (D6)."""
    return isinstance(data, ApplicationAccepted | AcceptedWithdrawn | KeyCompromised)


def belated(state: State | None, result: Result) -> str | None:
    """A signature that comes after its serial number became void is never released (I3), and somebody must know that it exists.

    Another signature of a certificate that is recorded is as good as the recorded one, and is dropped.
    """
    return "signed-after-void" if isinstance(state, Voided) and isinstance(result.data, Signed) else None


def _refuse(case_id: UUID, reason: Unissuable) -> Decided:
    refused = IssuingRefused(case_id=case_id, code=reason.code, texts=reason.texts)
    return Decision(Refused(reason.code), events=(refused,))


def _stop(before: Stopped | None, stopped: Stopped) -> Decided:
    """The same findings as before are no news."""
    if before == stopped:
        return Decision(before)
    told = IssuingStopped(case_id=stopped.application.case_id, code=STOPPED.code, texts=STOPPED.texts)
    return Decision(stopped, events=(told,))


def _void(key: str, intended: Intended, unsigned: Unsigned) -> Decided:
    """The serial number is told as void, so that it is listed as revoked whether a key used it or not, and the applicant that nothing comes (B2)."""
    allocated, case_id = intended.allocated, UUID(key)
    voided = CertificateVoided(
        case_id=case_id,
        issuer=allocated.issuer,
        serial=allocated.serial_hex,
        serial_decimal=str(allocated.serial),
        code=unsigned.code,
        not_after=allocated.not_after,
        partition=allocated.partition,
    )
    refused = IssuingRefused(case_id=case_id, code=VOIDED.code, texts=VOIDED.texts)
    return Decision(Voided(intended, unsigned.code), events=(voided, refused))


def _record(key: str, intended: Intended, signed: Signed) -> Decided:
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
