"""Requests for revocation: how they are judged, and those of the authority itself (A2, D1, D2, D4, D6). Pure.

The requester is judged first, then the reason, and only then the certificate. An outsider gets the same answer, after
the same time and work, with or without a certificate: the request waits, as if the certificate had not been read yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict
from servicecert_pki.serials import serial_readings
from servicecert_schemas.event import Actor, Assurance, Role
from servicecert_schemas.membership import is_strongly_authenticated, role_or_wait
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_schemas.rights import may
from servicecert_worker.core.texts import read_texts

from .knowledge import Knowledge
from .status import Asked, Certificate, Revocation

TAKES_EFFECT_WITHIN = timedelta(hours=24)
"""The time from sending a request to a published CRL (D4), and how long a request waits for its certificate."""

MOST_PENDING = 20
"""How many requests of a case may be pending; no honest customer sends more."""

MOST_CHANGES = 20
"""How often later requests may move a revocation's date of suspicion earlier (F5): each is a CRL and mails.

An exposed key always overrides a weaker reason.
"""

CASCADE = "cascade"
"""The act that finds the other certificates of a compromised key."""

_REVOKER = "revoker"
_FOLLOWING = UUID("5d6f2b0a-8f44-4c0b-9a7e-2f1c3f1b7a10")


class Code(StrEnum):
    """Why a request is refused. The answers are in texts/."""

    NOT_STRONGLY_AUTHENTICATED = "not-strongly-authenticated"
    NO_SUCH_CERTIFICATE = "no-such-certificate"
    REASON_RESERVED = "reason-reserved"
    ROLE_NOT_ALLOWED = "role-not-allowed"
    NOT_CONFIRMED = "not-confirmed"
    EXPIRED = "certificate-expired"


TEXTS = read_texts(__package__, "refusals", Code)


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision needs besides status and event: the revoker's knowledge and the time."""

    known: Knowledge
    now: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """The request is granted; `revocation` is the result if it is the first one."""

    certificate: Certificate
    revocation: Revocation


@dataclass(frozen=True, slots=True)
class Refused:
    """The request is refused; `in_case` tells whether the case may show it."""

    code: Code
    in_case: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """The request is judged again at `until`: a record that is not read yet may change the result."""

    until: datetime


def judge_all(
    asked: Iterable[Asked], certificate: Certificate | None, context: Context
) -> tuple[list[tuple[RevocationRequested, Granted | Refused]], list[tuple[Asked, datetime]]]:
    """Return the requests with a verdict, and up to `MOST_PENDING` pending ones with their times; more are refused."""
    verdicts: list[tuple[RevocationRequested, Granted | Refused]] = []
    pending: list[tuple[Asked, datetime]] = []
    for each in asked:
        verdict = judge(each, certificate, context)
        if not isinstance(verdict, Wait):
            verdicts.append((each.request, verdict))
        elif len(pending) < MOST_PENDING:
            pending.append((each, verdict.until))
        else:
            verdicts.append((each.request, Refused(Code.NO_SUCH_CERTIFICATE, in_case=False)))
    return verdicts, pending


def judge(asked: Asked, certificate: Certificate | None, context: Context) -> Granted | Refused | Wait:
    """Return the verdict on a request, given the certificate of its case if that is known."""
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
    if not may(invited_as, request):
        return Refused(Code.ROLE_NOT_ALLOWED, in_case=True)
    if certificate is None or request.actor.account_id != certificate.account_id:
        return _wait_for_certificate(asked, context.now)
    if not serial_matches(request.serial_as_typed, certificate.serial):
        return Refused(Code.NO_SUCH_CERTIFICATE, in_case=True)
    return Granted(certificate, revocation(asked, certificate, context.now))


def _of_the_authority(asked: Asked, certificate: Certificate | None, context: Context) -> Granted | Refused | Wait:
    """Judge the authority's own request: two operators confirmed it, or its key is compromised (D6)."""
    request, known = asked.request, context.known
    confirmed = known.confirmed.get((request.request_id, request.case_id)) == request.reason
    if certificate is None and confirmed:
        return _wait_for_certificate(asked, context.now)
    exposed = request.reason is RevocationReason.KEY_EXPOSED
    if certificate is None or not (confirmed or (exposed and certificate.key_sha256 in known.compromised)):
        return Refused(Code.NOT_CONFIRMED, in_case=False)
    return Granted(certificate, revocation(asked, certificate, context.now))


def _wait_for_certificate(asked: Asked, now: datetime) -> Refused | Wait:
    """Wait for a certificate that may not be read yet. Another account's certificate counts as absent (D1)."""
    end = asked.since + TAKES_EFFECT_WITHIN
    return Wait(end) if now < end else Refused(Code.NO_SUCH_CERTIFICATE, in_case=True)


def serial_matches(typed: str, serial: str) -> bool:
    """Return whether the typed text can mean `serial` (hexadecimal), in its decimal or its hexadecimal reading (D1)."""
    return int(serial, 16) in serial_readings(typed)


def revocation(asked: Asked, certificate: Certificate, now: datetime) -> Revocation:
    """Return the revocation of a granted request.

    Its invalidity date (RFC 5280, 5.3.2) is not before the certificate's first moment, and never in the future (D3),
    where that moment may lie.
    """
    request, sent = asked.request, _sent_at(asked, certificate, now)
    exposed = request.exposed_since if request.reason is RevocationReason.KEY_EXPOSED else None
    return Revocation(
        request_id=request.request_id,
        reason=_reason(request),
        requested_at=sent,
        due=sent + TAKES_EFFECT_WITHIN,
        revoked_at=now.replace(microsecond=0),
        invalid_since=None if exposed is None else min(now, max(certificate.begins, exposed)).replace(microsecond=0),
    )


def _reason(request: RevocationRequested) -> RevocationReason:
    """Return the reason for the CRL (D2). One that this version does not know revokes, and claims the least.

    The audit keeps it as it was sent. If it means that the key is exposed, a request that says so overrides it (D3).
    """
    return request.reason if isinstance(request.reason, RevocationReason) else RevocationReason.NO_LONGER_NEEDED


def changed(entry: Revocation, new: Revocation) -> Revocation | None:
    """Return the entry after a later request, None if it stays (D3).

    Only an exposed key overrides a weaker reason, and only an earlier date of suspicion moves the date. An entry
    without a date is invalid since its revocation. After `MOST_CHANGES` the date stays.
    """
    if new.reason is not RevocationReason.KEY_EXPOSED:
        return None
    is_earlier = new.invalid_since is not None and new.invalid_since < (entry.invalid_since or entry.revoked_at)
    if entry.reason is RevocationReason.KEY_EXPOSED and not (is_earlier and entry.changes < MOST_CHANGES):
        return None
    return replace(
        entry,
        request_id=new.request_id,
        reason=new.reason,
        invalid_since=new.invalid_since,
        changes=entry.changes + 1,
    )


def _sent_at(asked: Asked, certificate: Certificate, now: datetime) -> datetime:
    """Return the moment that a request is judged by, and the start of D4's 24 hours.

    It is the sending time that the e-service states, if between issuance and the event's time; else the event's time.
    It is never in the future: the issuer's clock may be ahead.
    """
    written = min(now, max(certificate.issued_at, asked.at))
    sent = asked.request.sent_at
    return sent if certificate.issued_at <= sent <= written else written


@dataclass(frozen=True, slots=True)
class Item:
    """A certificate that the authority revokes. `serial` is lower-case hexadecimal."""

    case_id: UUID
    account_id: str
    serial: str


class CascadeOrder(BaseModel):
    """An order to find the valid certificates of a key."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256",)

    key_sha256: str


class CascadeFound(BaseModel):
    """The valid certificates of a key. If `stopped` there are too many: none are given, an operator must confirm."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("key_sha256", "stopped")

    key_sha256: str
    others: tuple[Item, ...] = ()
    stopped: bool = False


def cascade_result(key_sha256: str, others: tuple[Item, ...], most: int) -> CascadeFound:
    """Return the result of the search. Beyond the maximum nothing is revoked until an operator confirms."""
    stopped = len(others) > most
    return CascadeFound(key_sha256=key_sha256, others=() if stopped else others, stopped=stopped)


def cascade_requests(key_sha256: str, items: tuple[Item, ...], now: datetime) -> tuple[RevocationRequested, ...]:
    """Return the requests that follow from a compromised key (D6). The same key and case give the same request id."""
    reason = RevocationReason.KEY_EXPOSED
    return tuple(
        authority_request(uuid5(_FOLLOWING, f"{key_sha256}/{item.case_id}"), item, reason, _REVOKER, now)
        for item in items
    )


def authority_request(id: UUID, item: Item, reason: RevocationReason, by: str, now: datetime) -> RevocationRequested:
    """Return a request by the authority's operators or by the revoker itself."""
    return RevocationRequested(
        case_id=item.case_id,
        actor=Actor(user_id=by, account_id=item.account_id, assurance=Assurance.HIGH, role=Role.OPERATOR),
        request_id=id,
        serial_as_typed=item.serial,
        reason=reason,
        sent_at=now,
    )
