"""What follows from what happened to a case at the revoker, and to a CA's schedule of CRLs. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import (
    CrlPublished,
    RevocationReason,
    RevocationRegistered,
    RevocationRequested,
)
from servicecert_worker.decider import Deadline, Decision, Due, Event, Happened, Intent, Result

from . import telling
from .confirmation import Confirmed, ConfirmOrder
from .publication import Published, PublishedCrl, PublishOrder, scheduled_issuer
from .requests import EXPIRED, NO_SUCH_CERTIFICATE, TAKES_EFFECT_WITHIN, fault_of, invalid_since, refusal, revocation
from .status import Asked, Awaited, Certificate, Final, Listed, Registered, Revoked, Status, Valid

Decided: TypeAlias = Decision[Status]

PUBLISH = "publish"
CONFIRM = "confirm"
ANSWER = "answer"

MOST_AWAITED = 20
"""How many requests wait for one certificate; nobody sends more in earnest."""


def decide(status: Status | None, happened: Happened, _known: None, now: datetime) -> Decided:
    """One case's certificate, or the schedule of one CA (key `crl/<issuer>/0`), which has no state of its own."""
    match happened:
        case Event(data=CertificateIssued() as issued):
            return _learn(status, Certificate.of(issued, happened.time), now)
        case Event(data=RevocationRequested() as request):
            return _ask(status, Asked(request, happened.time), now)
        case Result(data=Published() as published):
            return _publish(status, happened.key, published)
        case Result(data=Confirmed() as confirmed):
            return _confirm(status, happened.key, confirmed)
        case Due(kind="publish") if issuer := scheduled_issuer(happened.key):
            return Decision(status, intents=(Intent(PUBLISH, PublishOrder(issuer=issuer)),))
        case Due(kind="answer") if isinstance(status, Awaited):
            refused = tuple(refusal(asked.request, NO_SUCH_CERTIFICATE) for asked in status.asked)
            return Decision(Awaited(()), events=refused)
        case _:
            return Decision(status)


def heeds(data: EventData) -> bool:
    """Whether anything can follow from an event."""
    return isinstance(data, CertificateIssued | RevocationRequested)


def _learn(status: Status | None, certificate: Certificate, now: datetime) -> Decided:
    """The certificate is issued: what was asked before is answered now, in its order. A second certificate of a case is none (I3)."""
    if not (status is None or isinstance(status, Awaited)):
        return Decision(status)
    decided: Decided = Decision(Valid(certificate), events=(telling.valid(certificate),))
    if status is None:
        return decided
    for asked in status.asked:
        decided = _then(decided, _ask(decided.state, asked, now))
    return replace(decided, deadlines=(Deadline(ANSWER, None),))


def _ask(status: Status | None, asked: Asked, now: datetime) -> Decided:
    """A request that comes before its certificate waits, as long as a right one may take (D4), and is then answered that there is none."""
    if not (status is None or isinstance(status, Awaited)):
        return _judge(status, asked, now)
    before = status.asked if status else ()
    if any(each.request.request_id == asked.request.request_id for each in before):
        return Decision(status)
    if len(before) == MOST_AWAITED:
        return Decision(status, events=(refusal(asked.request, NO_SUCH_CERTIFICATE),))
    deadlines = () if before else (Deadline(ANSWER, now + TAKES_EFFECT_WITHIN),)
    return Decision(Awaited((*before, asked)), deadlines=deadlines)


def _judge(status: Valid | Final, asked: Asked, now: datetime) -> Decided:
    request, certificate = asked.request, status.certificate
    if fault := fault_of(request, certificate):
        return Decision(status, events=(refusal(request, fault),))
    if not isinstance(status, Valid):
        return _ask_again(status, request, now)
    if certificate.not_after < now:
        return Decision(status, events=(refusal(request, EXPIRED),))
    return _entered(Registered(certificate, revocation(asked, certificate, now)), request)


def _ask_again(status: Final, request: RevocationRequested, now: datetime) -> Decided:
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
        invalid_since=invalid_since(request, status.certificate, now),
    )
    return _entered(replace(status, revocation=worse), request)


def _entered(status: Final, request: RevocationRequested) -> Decided:
    """The entry of a CRL is new or changed: it is to be published."""
    certificate = status.certificate
    order = PublishOrder(
        issuer=certificate.issuer,
        partition=certificate.partition,
        serial=certificate.serial,
        request_id=status.revocation.request_id,
    )
    return Decision(status, events=(_registered(status, request),), intents=(Intent(PUBLISH, order),))


def _registered(status: Final, request: RevocationRequested) -> RevocationRegistered:
    return RevocationRegistered(
        case_id=request.case_id,
        request_id=request.request_id,
        serial=status.certificate.serial,
        reason=status.revocation.reason,
        requested_at=status.revocation.requested_at,
        due=status.revocation.due,
    )


def _publish(status: Status | None, key: str, published: Published) -> Decided:
    """A CRL is published: OCSP may say so, and is asked whether it does before anybody else is told (I7).

    A CRL that an exposed key's entry has overtaken waits for that entry's own CRL. Who was told of the weaker reason is not told again (D5).
    """
    announced = tuple(_crl(published.issuer, crl) for crl in published.announced)
    if scheduled_issuer(key):
        return Decision(status, events=announced, deadlines=(Deadline(PUBLISH, published.next_planned),))
    if not isinstance(status, Final) or published.request_id != status.revocation.request_id:
        return Decision(status, events=announced)
    events = (telling.listed(status), *announced)
    if isinstance(status, Revoked):
        return Decision(status, events=events)
    order = ConfirmOrder(
        issuer=status.certificate.issuer,
        serial=status.certificate.serial,
        request_id=status.revocation.request_id,
        crl_number=published.crl.number,
        crl_url=published.crl.url,
        published_at=published.published_at,
    )
    return Decision(Listed(status.certificate, status.revocation), events=events, intents=(Intent(CONFIRM, order),))


def _confirm(status: Status | None, key: str, confirmed: Confirmed) -> Decided:
    """OCSP says so too: now it is told (D5). What an exposed key's entry has overtaken is told when that entry is confirmed."""
    if not isinstance(status, Listed) or confirmed.request_id != status.revocation.request_id:
        return Decision(status)
    return Decision(Revoked(status.certificate, status.revocation), events=(telling.revoked(status, key, confirmed),))


def _crl(issuer: str, crl: PublishedCrl) -> EventData:
    return CrlPublished(
        issuer=issuer,
        partition=crl.partition,
        number=crl.number,
        this_update=crl.this_update,
        next_update=crl.next_update,
        entries=crl.entries,
        url=crl.url,
        sha256=crl.sha256,
    )


def _then(first: Decided, second: Decided) -> Decided:
    return Decision(second.state, first.events + second.events, first.intents + second.intents)
