"""The issuer's `decide`. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted
from servicecert_schemas.revocation import KeyCompromised
from servicecert_worker.core.decider import (
    Decision,
    Due,
    Event,
    Examined,
    Facts,
    Handlers,
    Happened,
    Intent,
    Result,
    Unanswerable,
)
from servicecert_worker.core.signed_record import SignedRecord

from . import recheck
from .events import intending, issued, refused, stopping, voided
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
    Voided,
    accepted_digest,
)
from .unissuable import KEY_COMPROMISED, VOIDED, WITHDRAWN, Unissuable

Decided: TypeAlias = Decision[State]

SIGN = "sign"
EXAMINE = "examine"
RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Decide:
    """Decides at most one signing intent per case; the intent ends as issued or void.

    `sign_within` is how long an intent may wait for its CA's key.
    """

    sign_within: timedelta

    def __call__(self, state: State | None, happened: Happened, _known: None, now: datetime) -> Decided:
        """Return the decision. Later events do not change a case that is intended or ended (I3, A15).

        The first result of an intent counts, a second is dropped.
        """
        match happened:
            case Event():
                return HANDLERS.get(type(happened.data), Decide._block)(self, state, happened, now)
            case Due(kind=kind) if kind == RETRY and isinstance(state, Stopped):
                return Decision(state, intents=(Intent(EXAMINE, state.application),))
            case Result(data=Examined(facts=facts)) if isinstance(state, Stopped):
                return self._begin(state, state.application, facts, now, state.record)
            case Result(data=Signed() as signed) if isinstance(state, Intended):
                return Decision(Recorded.of(state, signed), events=(issued(UUID(happened.key), state, signed),))
            case Result(data=Unsigned() as unsigned) if isinstance(state, Intended):
                # Its serial number will be revoked, signed or not, and the applicant is refused (B2).
                void, case_id = Voided(state, unsigned.code), UUID(happened.key)
                reason = KEY_COMPROMISED if void.code == KEY_COMPROMISED.code else VOIDED
                return Decision(void, events=(voided(case_id, void), refused(case_id, reason)))
            case Due(kind=recheck.RECHECK) | Result(data=recheck.Rechecked()):
                return recheck.plan(happened, now)
            case _:
                return Decision(state)

    def _accept(self, state: State | None, event: Event, now: datetime) -> Decided:
        application, record = event.data, event.record
        assert isinstance(application, ApplicationAccepted)
        if state is None:
            signed = None if record is None else SignedRecord.of(record.headers, record.value)
            return self._begin(None, application, event.facts, now, signed)
        known = accepted_digest(state)
        if known is not None and known != application.application_sha256:
            # Intake signs one application for each case (F2, I3).
            raise Unanswerable("second-application", "Another application was accepted for this case before.")
        return Decision(state)

    def _withdraw(self, state: State | None, event: Event, _now: datetime) -> Decided:
        if not isinstance(event.data, AcceptedWithdrawn) or not (state is None or isinstance(state, Stopped)):
            return Decision(state)
        return _refuse(event.data.case_id, WITHDRAWN, None if state is None else state.application)

    def _block(self, state: State | None, *_: object) -> Decided:
        """Change nothing: `storage.prepare` has blocked the key (D6)."""
        return Decision(state)

    def _begin(
        self,
        state: Stopped | None,
        application: ApplicationAccepted,
        facts: Facts | None,
        now: datetime,
        record: SignedRecord | None,
    ) -> Decided:
        """Decide an examined application, signed by intake as `record`."""
        match facts:
            case Linted():
                return _intend(application.case_id, Intended.of(facts, application, now + self.sign_within, record))
            case Unissuable():
                return _refuse(application.case_id, facts, application)
            case Stopped() if facts == state:
                return Decision(state)
            case Stopped():
                return Decision(replace(facts, record=record), events=(stopping(facts),))
        raise TypeError(f"Unexpected facts {type(facts).__name__}.")


HANDLERS: Handlers = {
    ApplicationAccepted: Decide._accept,
    AcceptedWithdrawn: Decide._withdraw,
    KeyCompromised: Decide._block,
}
"""Of certificate statuses only compromised keys count (D6)."""


def late_result_code(state: State | None, result: Result) -> str | None:
    """Return the code of a signature that arrives after its serial number became void: it is never released (I3).

    A second signature of a recorded certificate is dropped: it is equivalent.
    """
    return "signed-after-void" if isinstance(state, Voided) and isinstance(result.data, Signed) else None


def _intend(case_id: UUID, intended: Intended) -> Decided:
    event = intending(case_id, intended)
    return Decision(intended, events=(event,), intents=(Intent(SIGN, SigningOrder.of(intended)),))


def _refuse(case_id: UUID, reason: Unissuable, application: ApplicationAccepted | None) -> Decided:
    digest = None if application is None else application.application_sha256
    return Decision(Refused(reason.code, digest), events=(refused(case_id, reason),))
