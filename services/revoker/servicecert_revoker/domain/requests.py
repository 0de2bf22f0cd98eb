"""Whether a request for revocation is right, and what it then says (A2, D1, D2, D4). Pure.

Who asks is judged first, then what they ask for, and only then the certificate. Whoever may not act in a case meets the same words, after the same
time and the same work, whether there is a certificate or not: their request waits as one does whose certificate is under way.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from servicecert_pki.serials import serial_readings
from servicecert_schemas.event import Assurance, Role
from servicecert_schemas.reasons import ALLOWED
from servicecert_schemas.revocation import RevocationReason, RevocationRefused, RevocationRequested

from . import answers
from .knowledge import Knowledge
from .status import Asked, Certificate, Revocation

TAKES_EFFECT_WITHIN = timedelta(hours=24)
"""From when the request was sent to a published CRL, at most (D4). So long a request waits for its certificate."""

ASKED_AFTER = tuple(timedelta(seconds=seconds) for seconds in (0.2, 1, 3, 10, 30, 60))
"""When a request whose user is not known is looked at again: the event that invites them may be under way on another topic (A2)."""

_STRONG = frozenset({Assurance.SUBSTANTIAL, Assurance.HIGH})


@dataclass(frozen=True, slots=True)
class Refused:
    """The code of the answer, and whether the case may show it."""

    code: str
    in_case: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Something may be under way that makes the request right: it is looked at again then."""

    until: datetime


def judged(asked: Asked, certificate: Certificate | None, known: Knowledge, now: datetime) -> Refused | Wait | None:
    """What keeps a request from being granted now; None where it is right."""
    request = asked.request
    if request.actor.role is Role.OPERATOR:
        return _of_the_authority(asked, certificate, known, now)
    invited_as = membership(asked, known)
    if request.actor.assurance not in _STRONG:
        return Refused(answers.NOT_STRONGLY_AUTHENTICATED, in_case=invited_as is not None)
    if invited_as is None:
        again = next((asked.since + after for after in ASKED_AFTER if asked.since + after > now), None)
        return Refused(answers.NO_SUCH_CERTIFICATE, in_case=False) if again is None else Wait(again)
    if request.reason is RevocationReason.PRIVILEGE_WITHDRAWN:
        return Refused(answers.REASON_RESERVED, in_case=True)
    if request.reason not in ALLOWED[invited_as] & ALLOWED[request.actor.role]:
        return Refused(answers.ROLE_NOT_ALLOWED, in_case=True)
    if certificate is None or request.actor.account_id != certificate.account_id:
        return _wait_for_certificate(asked, now)
    if not reads_as(request.serial_as_typed, certificate.serial):
        return Refused(answers.NO_SUCH_CERTIFICATE, in_case=True)
    return None


def _of_the_authority(
    asked: Asked, certificate: Certificate | None, known: Knowledge, now: datetime
) -> Refused | Wait | None:
    """The authority's own requests: what two operators want, or what follows from a compromised key (D6). A role that is only said counts nothing."""
    request = asked.request
    confirmed = known.confirmed.get((request.request_id, request.case_id)) == request.reason
    if certificate is None:
        return _wait_for_certificate(asked, now) if confirmed else Refused(answers.NOT_CONFIRMED, in_case=False)
    follows = request.reason is RevocationReason.KEY_EXPOSED and certificate.key_sha256 in known.compromised
    return None if confirmed or follows else Refused(answers.NOT_CONFIRMED, in_case=False)


def _wait_for_certificate(asked: Asked, now: datetime) -> Refused | Wait:
    """Two topics have no order between them, so the certificate may be under way; another account's is, for whoever asks, not there (D1)."""
    end = asked.since + TAKES_EFFECT_WITHIN
    return Wait(end) if now < end else Refused(answers.NO_SUCH_CERTIFICATE, in_case=True)


def membership(asked: Asked, known: Knowledge) -> Role | None:
    """The role in which the request's user was invited to act in its case, if at all."""
    account = known.accounts.get(asked.request.actor.account_id)
    if account is None:
        return None
    return account.member(asked.request.actor.user_id, asked.request.case_id, min(asked.at, asked.since))


def reads_as(typed: str, serial: str) -> bool:
    """Whether a person can have meant `serial` (hexadecimal): of two readings, only the decision's own counts (D1)."""
    return int(serial, 16) in serial_readings(typed)


def refusal(request: RevocationRequested, refused: Refused) -> RevocationRefused:
    return RevocationRefused(
        case_id=request.case_id,
        request_id=request.request_id,
        account_id=request.actor.account_id,
        in_case=refused.in_case,
        code=refused.code,
        texts=answers.TEXTS[refused.code],
    )


def revocation(asked: Asked, certificate: Certificate, now: datetime) -> Revocation:
    """The revocation that a right request leads to, decided now."""
    sent = sent_at(asked, certificate, now)
    return Revocation(
        request_id=asked.request.request_id,
        reason=asked.request.reason,
        requested_at=sent,
        due=sent + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
        invalid_since=invalid_since(asked.request, certificate, now),
    )


def sent_at(asked: Asked, certificate: Certificate, now: datetime) -> datetime:
    """When the request was sent, as far as that can be: after the certificate was issued, and not after its event was written.

    Otherwise the event's own time counts, within the same bounds. The 24 hours of D4 run from here.
    """
    written = max(certificate.issued_at, min(asked.at, now))
    sent = asked.request.sent_at
    return sent if certificate.issued_at <= sent <= written else written


def invalid_since(request: RevocationRequested, certificate: Certificate, now: datetime) -> datetime | None:
    """Since when the key is known to be exposed (RFC 5280, 5.3.2): within the certificate's life so far."""
    if request.reason is not RevocationReason.KEY_EXPOSED or request.exposed_since is None:
        return None
    return max(certificate.issued_at, min(request.exposed_since, now)).replace(microsecond=0)
