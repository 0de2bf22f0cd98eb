"""Requests for revocation: whether one is right, and those that the authority makes itself (A2, D1, D2, D4, D6). Pure.

Who asks is judged first, then what they ask for, and only then the certificate. Whoever may not act in a case meets the same words, after the same
time and the same work, whether there is a certificate or not: their request waits as one does whose certificate is under way.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict
from servicecert_pki.serials import serial_readings
from servicecert_schemas.event import Actor, Assurance, Role
from servicecert_schemas.reasons import ALLOWED
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_worker.domain.membership import is_strongly_authenticated, role_or_wait
from servicecert_worker.texts import read_texts

from .knowledge import Knowledge
from .status import Asked, Certificate, Revocation

TAKES_EFFECT_WITHIN = timedelta(hours=24)
"""From when the request was sent to a published CRL, at most (D4). So long a request waits for its certificate."""

CASCADE = "cascade"
"""The act of looking for a key's other certificates."""

_REVOKER = "revoker"
_FOLLOWING = UUID("5d6f2b0a-8f44-4c0b-9a7e-2f1c3f1b7a10")


class Code(StrEnum):
    """Why a request is not granted. What is then answered is in texts/."""

    NOT_STRONGLY_AUTHENTICATED = "not-strongly-authenticated"
    NO_SUCH_CERTIFICATE = "no-such-certificate"
    REASON_RESERVED = "reason-reserved"
    ROLE_NOT_ALLOWED = "role-not-allowed"
    NOT_CONFIRMED = "not-confirmed"
    EXPIRED = "certificate-expired"


TEXTS = read_texts(__package__, "refusals", Code)


@dataclass(frozen=True, slots=True)
class Context:
    """What is decided with beside a case's status: the case's key, what else is known, and the moment."""

    key: str
    known: Knowledge
    now: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """The request is right; `revocation` is what it leads to if it is the first one."""

    certificate: Certificate
    revocation: Revocation


@dataclass(frozen=True, slots=True)
class Refused:
    """Why, and whether the case may show it."""

    code: Code
    in_case: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Something may be under way that makes the request right: it is looked at again then."""

    until: datetime


def judge(asked: Asked, certificate: Certificate | None, context: Context) -> Granted | Refused | Wait:
    """Return whether a request is right, for the certificate of its case if that is known."""
    request = asked.request
    if request.actor.role is Role.OPERATOR:
        return _of_the_authority(asked, certificate, context)
    sent = min(asked.at, asked.since)
    accounts = context.known.accounts
    invited_as = role_or_wait(request.actor, request.case_id, accounts, sent, asked.since, context.now)
    if not is_strongly_authenticated(request.actor):
        return Refused(Code.NOT_STRONGLY_AUTHENTICATED, in_case=isinstance(invited_as, Role))
    if isinstance(invited_as, datetime):
        return Wait(invited_as)
    if invited_as is None:
        return Refused(Code.NO_SUCH_CERTIFICATE, in_case=False)
    if request.reason is RevocationReason.PRIVILEGE_WITHDRAWN:
        return Refused(Code.REASON_RESERVED, in_case=True)
    if request.reason not in ALLOWED[invited_as] & ALLOWED[request.actor.role]:
        return Refused(Code.ROLE_NOT_ALLOWED, in_case=True)
    if certificate is None or request.actor.account_id != certificate.account_id:
        return _wait_for_certificate(asked, context.now)
    if not reads_as(request.serial_as_typed, certificate.serial):
        return Refused(Code.NO_SUCH_CERTIFICATE, in_case=True)
    return Granted(certificate, revocation(asked, certificate, context.now))


def _of_the_authority(asked: Asked, certificate: Certificate | None, context: Context) -> Granted | Refused | Wait:
    """The authority's own requests: what two operators want, or what follows from a compromised key (D6). A role that is only said counts nothing."""
    request, known = asked.request, context.known
    confirmed = known.confirmed.get((request.request_id, request.case_id)) == request.reason
    if certificate is None and confirmed:
        return _wait_for_certificate(asked, context.now)
    exposed = request.reason is RevocationReason.KEY_EXPOSED
    if certificate is None or not (confirmed or (exposed and certificate.key_sha256 in known.compromised)):
        return Refused(Code.NOT_CONFIRMED, in_case=False)
    return Granted(certificate, revocation(asked, certificate, context.now))


def _wait_for_certificate(asked: Asked, now: datetime) -> Refused | Wait:
    """Two topics have no order between them, so the certificate may be under way; another account's is, for whoever asks, not there (D1)."""
    end = asked.since + TAKES_EFFECT_WITHIN
    return Wait(end) if now < end else Refused(Code.NO_SUCH_CERTIFICATE, in_case=True)


def reads_as(typed: str, serial: str) -> bool:
    """Whether a person can have meant `serial` (hexadecimal): of two readings, only the decision's own counts (D1)."""
    return int(serial, 16) in serial_readings(typed)


def revocation(asked: Asked, certificate: Certificate, now: datetime) -> Revocation:
    """The revocation that a right request leads to. Since when the key is exposed (RFC 5280, 5.3.2) lies within the certificate's life so far."""
    request, sent = asked.request, _sent_at(asked, certificate, now)
    exposed = request.exposed_since if request.reason is RevocationReason.KEY_EXPOSED else None
    return Revocation(
        request_id=request.request_id,
        reason=request.reason,
        requested_at=sent,
        due=sent + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
        invalid_since=None if exposed is None else max(certificate.issued_at, min(exposed, now)).replace(microsecond=0),
    )


def _sent_at(asked: Asked, certificate: Certificate, now: datetime) -> datetime:
    """When the request was sent, as far as that can be: after the certificate was issued, and not after its event was written.

    Otherwise the event's own time counts, within the same bounds. The 24 hours of D4 run from here.
    """
    written = max(certificate.issued_at, min(asked.at, now))
    sent = asked.request.sent_at
    return sent if certificate.issued_at <= sent <= written else written


@dataclass(frozen=True, slots=True)
class Item:
    """A certificate that the authority wants revoked. `serial` is lower-case hexadecimal."""

    case_id: UUID
    account_id: str
    serial: str


class CascadeOrder(BaseModel):
    """The valid certificates of a key are wanted."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256",)

    key_sha256: str


class CascadeFound(BaseModel):
    """The valid certificates of a key; none where there are more than the maximum, and a person is to confirm them (`stopped`)."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256", "stopped")

    key_sha256: str
    others: tuple[Item, ...] = ()
    stopped: bool = False


def found(key_sha256: str, others: tuple[Item, ...], most: int) -> CascadeFound:
    """What comes of the search: beyond the maximum nothing is revoked until somebody has looked."""
    stopped = len(others) > most
    return CascadeFound(key_sha256=key_sha256, others=() if stopped else others, stopped=stopped)


def following(key_sha256: str, items: tuple[Item, ...], now: datetime) -> tuple[RevocationRequested, ...]:
    """The requests that follow from a key's compromise (D6). Their ids follow from key and case, so that one that is made again has one effect."""
    reason = RevocationReason.KEY_EXPOSED
    return tuple(
        ordered(uuid5(_FOLLOWING, f"{key_sha256}/{item.case_id}"), item, reason, _REVOKER, now) for item in items
    )


def ordered(id: UUID, item: Item, reason: RevocationReason, by: str, now: datetime) -> RevocationRequested:
    """The authority's own request for a certificate: by its operators, or by the revoker itself."""
    return RevocationRequested(
        case_id=item.case_id,
        actor=Actor(user_id=by, account_id=item.account_id, assurance=Assurance.HIGH, role=Role.OPERATOR),
        request_id=id,
        serial_as_typed=item.serial,
        reason=reason,
        sent_at=now,
    )
