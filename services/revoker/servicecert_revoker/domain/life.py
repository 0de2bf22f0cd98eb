"""The life of a case's certificate: issued or void, asked for, registered for revocation, listed, revoked; and the events that tell of it. Pure.

Each function is a move: from the status before and what happened to the status after, and what follows from it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid5

from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.event import EventData, Role
from servicecert_schemas.revocation import (
    CertificateRevoked,
    CrlPublished,
    RevocationReason,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
    Standing,
    StandingChanged,
)
from servicecert_worker.decider import Deadline, Decision, Intent

from ..crl.domain.publication import CONFIRM, PUBLISH, Confirmed, ConfirmOrder, Published, PublishOrder
from .requests import (
    CASCADE,
    TAKES_EFFECT_WITHIN,
    TEXTS,
    CascadeOrder,
    Code,
    Context,
    Granted,
    Item,
    Refused,
    Wait,
    following,
    judge,
)
from .status import (
    Asked,
    Awaited,
    Certificate,
    Entered,
    Listed,
    Numbered,
    Registered,
    Revocation,
    Revoked,
    Status,
    Valid,
    Void,
    certificate_of,
    held_of,
)

Decided: TypeAlias = Decision[Status]

ANSWER = "answer"
"""The deadline at which requests that wait are looked at again."""

MOST_HELD = 20
"""How many requests of a case wait; nobody sends more in earnest."""

_VOIDED = UUID("8a7f1f0e-51c3-4b8e-9f57-3c7a2b9d6e15")

_LONGEST = timedelta(days=3 * 366)
"""Longer than any certificate lives (B1), also one that begins later (A14): so long is listed what does not say until when it would be valid."""


def learn(before: Awaited | None, issued: CertificateIssued, at: datetime, context: Context) -> Decided:
    """The certificate is issued: OCSP says good (D8), and what was asked before is answered now, in its order.

    One whose key is compromised is revoked at once, though nobody asks (D6).
    """
    certificate, asked, now = Certificate.of(issued, at), held_of(before), context.now
    key = certificate.key_sha256
    if key in context.known.compromised and now <= certificate.not_after:
        item = Item(issued.case_id, certificate.account_id, certificate.serial)
        asked = (*(Asked(request, now, now) for request in following(key, (item,), now)), *asked)
    told = StandingChanged(
        issuer=certificate.issuer,
        serial=certificate.serial,
        standing=Standing.VALID,
        not_after=certificate.not_after,
    )
    settled = _settled(Valid(certificate, held_of(before)), asked, context)
    return replace(settled, events=(told, *settled.events))


def void(before: Awaited | None, voided: CertificateVoided, at: datetime, context: Context) -> Decided:
    """A CA's key may have signed the certificate of a void serial number, so it is revoked as any other is, and nobody is told (B2).

    Only what was intended is ever told as void: without intended bytes no key was used, and there is nothing to list. It is to be on the CRLs that
    its certificate would name, for as long as it would be valid. Nobody needs the certificate any more, which is the reason (D2); the 24 hours of D4
    run from `at`, when it became void. Whoever asked for its revocation goes on waiting for a certificate, and learns that there is none.
    """
    since = min(at, context.now)
    number = Void(voided.issuer, voided.serial, voided.not_after or since + _LONGEST, voided.partition)
    if number.not_after < context.now:
        return Decision(before)
    revocation = Revocation(
        request_id=uuid5(_VOIDED, f"{voided.issuer}/{voided.serial}"),
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=since,
        due=since + TAKES_EFFECT_WITHIN,
        revoked_at=context.now.replace(microsecond=0),
    )
    entered = Registered(number, revocation, held_of(before))
    return Decision(entered, intents=(_to_be_listed(entered),))


def ask(status: Status | None, asked: Asked, context: Context) -> Decided:
    """What follows from a request, and from those that wait before it. The same request again is nothing new."""
    before = held_of(status)
    if any(each.request.request_id == asked.request.request_id for each in before):
        return Decision(status)
    return _settled(status, (*before, asked), context)


def answer(status: Status | None, context: Context) -> Decided:
    """What follows for the requests that wait, when it is time to look at them."""
    return _settled(status, held_of(status), context)


def _settled(status: Status | None, asked: Sequence[Asked], context: Context) -> Decided:
    """Answers what can be answered; the rest waits until the first of it may be right."""
    certificate = certificate_of(status)
    decided: Decided = Decision(status)
    waiting: list[Asked] = []
    wakes: list[datetime] = []
    for each in asked:
        verdict = judge(each, certificate, context)
        if isinstance(verdict, Wait) and len(waiting) < MOST_HELD:
            waiting.append(each)
            wakes.append(verdict.until)
            continue
        if isinstance(verdict, Granted):
            after = _granted(decided.state, each.request, verdict, context)
        else:
            crowded = Refused(Code.NO_SUCH_CERTIFICATE, in_case=False)
            refused = crowded if isinstance(verdict, Wait) else verdict
            after = Decision(decided.state, events=(_refusal(each.request, refused),))
        decided = Decision(after.state, decided.events + after.events, decided.intents + after.intents)
    deadlines = (Deadline(ANSWER, min(wakes, default=None)),) if wakes or held_of(status) else ()
    return replace(decided, state=_holding(decided.state, tuple(waiting)), deadlines=deadlines)


def _holding(status: Status | None, held: tuple[Asked, ...]) -> Status | None:
    """The same with other requests that wait; the same object where they are the same."""
    if held == held_of(status):
        return status
    return replace(status, held=held) if isinstance(status, Numbered) else Awaited(held)


def _granted(status: Status | None, request: RevocationRequested, granted: Granted, context: Context) -> Decided:
    """A right request registers the revocation. The first one is the answer to all that come later, with its reason and times, and nobody is mailed
    again; only an exposed key overrides (D3).

    Of the authority's own orders nobody is told that they came too late: the certificate's owner did not ask.
    """
    certificate, wanted = granted.certificate, granted.revocation
    compromised, looked_for = _compromised(certificate, wanted.reason, context)
    if isinstance(status, Valid) and certificate.not_after < context.now:
        expired = _refusal(request, Refused(Code.EXPIRED, in_case=True))
        told: tuple[EventData, ...] = () if request.actor.role is Role.OPERATOR else (expired,)
        return Decision(status, told + compromised, looked_for)
    if isinstance(status, Entered):
        first = status.revocation
        if wanted.request_id == first.request_id:
            return Decision(status)
        if wanted.reason is not RevocationReason.KEY_EXPOSED or first.reason is RevocationReason.KEY_EXPOSED:
            return Decision(status, events=(_registration(status, request),))
        worse = replace(first, request_id=wanted.request_id, reason=wanted.reason, invalid_since=wanted.invalid_since)
        entered: Entered = replace(status, revocation=worse)
    else:
        entered = Registered(certificate, wanted, held_of(status))
    events = (_registration(entered, request), *compromised)
    return Decision(entered, events, (_to_be_listed(entered), *looked_for))


def _compromised(
    certificate: Certificate, reason: RevocationReason, context: Context
) -> tuple[tuple[EventData, ...], tuple[Intent, ...]]:
    """A key that is exposed is told, and its other certificates are looked for (D6): an expired certificate's too, since another one may have it."""
    key = certificate.key_sha256
    if reason is not RevocationReason.KEY_EXPOSED or key in context.known.compromised:
        return (), ()
    told = KeyCompromised(key_sha256=key, known_at=context.now)
    return (told,), (Intent(CASCADE, CascadeOrder(key_sha256=key)),)


def _to_be_listed(status: Entered) -> Intent:
    """The order to bring an entry that is new or changed onto published CRLs."""
    certificate = status.certificate
    order = PublishOrder(
        issuer=certificate.issuer,
        partition=certificate.partition,
        serial=certificate.serial,
        request_id=status.revocation.request_id,
    )
    return Intent(PUBLISH, order)


def mark_listed(status: Status | None, published: Published) -> Decided:
    """A published CRL lists the certificate: OCSP may say so, and is asked whether it does before anybody else is told (I7).

    A CRL that an exposed key's entry has overtaken waits for that entry's own CRL. Who was told of the weaker reason is not told again (D5). The
    planned CRLs of a CA, which no request asked for, are planned anew.
    """
    announced = tuple(CrlPublished(issuer=published.issuer, **dict(crl)) for crl in published.announced)
    if published.request_id is None:
        return Decision(status, announced, deadlines=(Deadline(PUBLISH, published.next_planned),))
    if not isinstance(status, Entered) or published.request_id != status.revocation.request_id:
        return Decision(status, announced)
    certificate, entry = status.certificate, status.revocation
    revoked = StandingChanged(
        issuer=certificate.issuer,
        serial=certificate.serial,
        standing=Standing.REVOKED,
        reason=entry.reason,
        revoked_at=entry.revoked_at,
        invalid_since=entry.invalid_since,
        not_after=certificate.not_after,
    )
    events = (revoked, *announced)
    if isinstance(status, Revoked):
        return Decision(status, events)
    order = ConfirmOrder(
        issuer=certificate.issuer,
        serial=certificate.serial,
        request_id=entry.request_id,
        crl_number=published.crl.number,
        crl_url=published.crl.url,
        published_at=published.published_at,
    )
    return Decision(Listed(certificate, entry, status.held), events, (Intent(CONFIRM, order),))


def mark_revoked(status: Listed, confirmed: Confirmed, context: Context) -> Decided:
    """OCSP says so too: mail and the customer's view follow (D5, I7).

    What an exposed key's entry has overtaken is told when that entry is confirmed. Of what is void nobody has ever heard.
    """
    certificate, entry = status.certificate, status.revocation
    if confirmed.request_id != entry.request_id:
        return Decision(status)
    after = Revoked(certificate, entry, status.held)
    if isinstance(certificate, Void):
        return Decision(after)
    told = CertificateRevoked(
        case_id=UUID(context.key),
        request_id=entry.request_id,
        issuer=certificate.issuer,
        serial=certificate.serial,
        serial_decimal=str(int(certificate.serial, 16)),
        subject=certificate.subject,
        reason=entry.reason,
        requested_at=entry.requested_at,
        revoked_at=entry.revoked_at,
        invalid_since=entry.invalid_since,
        crl_number=confirmed.crl_number,
        crl_url=confirmed.crl_url,
        published_at=confirmed.published_at,
        language=certificate.language,
        recipients=certificate.recipients,
    )
    return Decision(after, events=(told,))


def _registration(status: Entered, request: RevocationRequested) -> RevocationRegistered:
    return RevocationRegistered(
        case_id=request.case_id,
        request_id=request.request_id,
        serial=status.certificate.serial,
        reason=status.revocation.reason,
        requested_at=status.revocation.requested_at,
        due=status.revocation.due,
    )


def _refusal(request: RevocationRequested, refused: Refused) -> RevocationRefused:
    return RevocationRefused(
        case_id=request.case_id,
        request_id=request.request_id,
        account_id=request.actor.account_id,
        in_case=refused.in_case,
        code=refused.code.value,
        texts=TEXTS[refused.code],
    )
