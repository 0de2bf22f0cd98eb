"""What follows for a void serial number: a CA's key may have signed its certificate, so it is revoked as any other is, and nobody is told (B2). Pure.

Only what was intended is ever told as void: without intended bytes no key was used, and there is nothing to list.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid5

from servicecert_schemas.certificate import CertificateVoided
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.decider import Decision

from .asking import Decided, to_be_listed
from .requests import TAKES_EFFECT_WITHIN
from .status import Numbered, Registered, Revocation, Status, Void, held_of

_REQUESTS = UUID("8a7f1f0e-51c3-4b8e-9f57-3c7a2b9d6e15")

_LONGEST = timedelta(days=3 * 366)
"""Longer than any certificate lives (B1), also one that begins later (A14): so long is listed what does not say until when it would be valid."""


def registered(status: Status | None, voided: CertificateVoided, at: datetime, now: datetime) -> Decided:
    """The serial number is to be on the CRLs that its certificate would name, for as long as it would be valid. `at` is when it became void.

    Nobody needs the certificate any more, which is the reason (D2); the 24 hours of D4 run from the void. Whoever asked for its revocation goes on
    waiting for a certificate, and learns that there is none. Of a case whose end is known another end is none (I3).
    """
    since = min(at, now)
    void = Void(voided.issuer, voided.serial, voided.not_after or since + _LONGEST, voided.partition)
    if isinstance(status, Numbered) or void.not_after < now:
        return Decision(status)
    revocation = Revocation(
        request_id=uuid5(_REQUESTS, f"{voided.issuer}/{voided.serial}"),
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=since,
        due=since + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
    )
    entered = Registered(void, revocation, held_of(status))
    return Decision(entered, intents=(to_be_listed(entered),))
