"""What follows from requests for a case's certificate, at once or once what they wait for is known (D1, D3, D6). Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.event import EventData, Role
from servicecert_schemas.revocation import RevocationReason, RevocationRegistered, RevocationRequested
from servicecert_worker.decider import Deadline, Decision, Intent

from ..crl.domain.publication import PublishOrder
from . import answers, telling
from .cascade_plan import CASCADE, REVOKER, CascadeOrder, Item, ordered, request_id
from .knowledge import Knowledge
from .requests import Refused, Wait, invalid_since, judged, refusal, revocation
from .status import Asked, Certificate, Final, Numbered, Registered, Status, Valid, certificate_of, held_of, holding

Decided: TypeAlias = Decision[Status]

PUBLISH = "publish"
"""The act that brings a revocation onto a published CRL."""

ANSWER = "answer"
"""The deadline at which requests that wait are looked at again."""

MOST_HELD = 20
"""How many requests of a case wait; nobody sends more in earnest."""


def asked_for(status: Status | None, asked: Asked, known: Knowledge, now: datetime) -> Decided:
    """What follows from a request, and from those that wait before it."""
    before = held_of(status)
    if any(each.request.request_id == asked.request.request_id for each in before):
        return Decision(status)
    if len(before) < MOST_HELD:
        return _settled(status, (*before, asked), known, now)
    verdict = judged(asked, certificate_of(status), known, now)
    crowded = Refused(answers.NO_SUCH_CERTIFICATE, in_case=False)
    return _answered(status, asked, crowded if isinstance(verdict, Wait) else verdict, known, now)


def answered_again(status: Status | None, known: Knowledge, now: datetime) -> Decided:
    """What follows for the requests that wait, when it is time to look at them."""
    return _settled(status, held_of(status), known, now)


def learnt(status: Status | None, case_id: UUID, certificate: Certificate, known: Knowledge, now: datetime) -> Decided:
    """The certificate is issued: what was asked before is answered now, in its order. A second certificate of a case is none (I3).

    One whose key is compromised is revoked at once, though nobody asks (D6).
    """
    if isinstance(status, Numbered):
        return Decision(status)
    held = held_of(status)
    first: Decided = Decision(Valid(certificate, held), events=(telling.valid(certificate),))
    if certificate.key_sha256 in known.compromised and now <= certificate.not_after:
        following = _following(case_id, certificate, now)
        first = _then(first, _granted(Valid(certificate, held), certificate, following, known, now))
    return _then(first, _settled(first.state, held, known, now))


def _following(case_id: UUID, certificate: Certificate, now: datetime) -> Asked:
    """The request that the revoker itself makes for a certificate of a compromised key."""
    identity = request_id(certificate.key_sha256, case_id)
    item = Item(case_id, certificate.account_id, certificate.serial)
    return Asked(ordered(identity, item, RevocationReason.KEY_EXPOSED, REVOKER, now), now, now)


def _settled(status: Status | None, asked: Sequence[Asked], known: Knowledge, now: datetime) -> Decided:
    """Answers what can be answered; the rest waits until the first of it may be right."""
    decided: Decided = Decision(status)
    waiting: list[Asked] = []
    wakes: list[datetime] = []
    for each in asked:
        verdict = judged(each, certificate_of(decided.state), known, now)
        if isinstance(verdict, Wait):
            waiting.append(each)
            wakes.append(verdict.until)
        else:
            decided = _then(decided, _answered(decided.state, each, verdict, known, now))
    before = held_of(status)
    deadlines = (Deadline(ANSWER, min(wakes)),) if wakes else (Deadline(ANSWER, None),) if before else ()
    return replace(decided, state=holding(decided.state, tuple(waiting)), deadlines=deadlines)


def _answered(status: Status | None, asked: Asked, refused: Refused | None, known: Knowledge, now: datetime) -> Decided:
    if refused is not None:
        return Decision(status, events=(refusal(asked.request, refused),))
    certificate = certificate_of(status)
    assert isinstance(status, Numbered)
    assert certificate is not None, "a request is right only for a certificate that is known"
    return _granted(status, certificate, asked, known, now)


def _granted(status: Numbered, certificate: Certificate, asked: Asked, known: Knowledge, now: datetime) -> Decided:
    request = asked.request
    if not isinstance(status, Valid):
        return _asked_again(status, certificate, request, known, now)
    if certificate.not_after < now:
        # Of the authority's own orders nobody is told that they came too late: the certificate's owner did not ask.
        expired = refusal(request, Refused(answers.EXPIRED, in_case=True))
        told: tuple[EventData, ...] = () if request.actor.role is Role.OPERATOR else (expired,)
        compromised, looked_for = _compromised(certificate, request, known, now)
        return Decision(status, told + compromised, looked_for)
    entered = Registered(certificate, revocation(asked, certificate, now), status.held)
    return _entered(entered, certificate, request, known, now)


def _asked_again(
    status: Final, certificate: Certificate, request: RevocationRequested, known: Knowledge, now: datetime
) -> Decided:
    """The first result is the answer, with its reason and times, and nobody is mailed again; only an exposed key overrides (D3)."""
    first = status.revocation
    if request.request_id == first.request_id:
        return Decision(status)
    if request.reason is not RevocationReason.KEY_EXPOSED or first.reason is RevocationReason.KEY_EXPOSED:
        return Decision(status, events=(_registered(status, request),))
    worse = replace(
        first,
        request_id=request.request_id,
        reason=request.reason,
        invalid_since=invalid_since(request, certificate, now),
    )
    return _entered(replace(status, revocation=worse), certificate, request, known, now)


def _entered(
    status: Final, certificate: Certificate, request: RevocationRequested, known: Knowledge, now: datetime
) -> Decided:
    """The entry of a CRL is new or changed: it is to be published."""
    compromised, looked_for = _compromised(certificate, request, known, now)
    return Decision(status, (_registered(status, request), *compromised), (to_be_listed(status), *looked_for))


def _compromised(
    certificate: Certificate, request: RevocationRequested, known: Knowledge, now: datetime
) -> tuple[tuple[EventData, ...], tuple[Intent, ...]]:
    """A key that is exposed is told, and its other certificates are looked for (D6): an expired certificate's too, since another one may have it."""
    key = certificate.key_sha256
    if request.reason is not RevocationReason.KEY_EXPOSED or key in known.compromised:
        return (), ()
    return (KeyCompromised(key_sha256=key, known_at=now),), (Intent(CASCADE, CascadeOrder(key_sha256=key)),)


def to_be_listed(status: Final) -> Intent:
    """The order to bring its entry onto published CRLs."""
    certificate = status.certificate
    order = PublishOrder(
        issuer=certificate.issuer,
        partition=certificate.partition,
        serial=certificate.serial,
        request_id=status.revocation.request_id,
    )
    return Intent(PUBLISH, order)


def _registered(status: Final, request: RevocationRequested) -> RevocationRegistered:
    return RevocationRegistered(
        case_id=request.case_id,
        request_id=request.request_id,
        serial=status.certificate.serial,
        reason=status.revocation.reason,
        requested_at=status.revocation.requested_at,
        due=status.revocation.due,
    )


def _then(first: Decided, second: Decided) -> Decided:
    return Decision(
        second.state, first.events + second.events, first.intents + second.intents, first.deadlines + second.deadlines
    )
