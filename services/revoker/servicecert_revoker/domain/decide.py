"""What follows from what happened to a case at the revoker, to a proposal of its operators, and to a CA's schedule of CRLs. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.event import EventData
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import CrlPublished, RevocationRequested
from servicecert_worker.decider import Deadline, Decision, Due, Event, Happened, Intent, Result

from ..crl.domain.publication import Published, PublishedCrl, PublishOrder, scheduled_issuer
from ..proposals.domain.proposal import CARRY_OUT, Proposal, gone_on
from . import responders, telling, voiding
from .asking import ANSWER, PUBLISH, Decided, answered_again, asked_for, learnt
from .cascade_plan import CascadeFound, orders
from .clocks import CLOCK, open_revocation, rearmed, rung
from .confirmation import Confirmed, ConfirmOrder
from .knowledge import Knowledge
from .status import Asked, Certificate, Final, Listed, Revoked, Status, held_of, holding

State: TypeAlias = Status | Proposal

CONFIRM = "confirm"
"""The act of asking OCSP whether it says so too."""


def decide(state: State | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[State]:
    """One case's certificate; a proposal (key `proposal/<id>`); or the schedule of one CA (key `crl/<issuer>/0`), which has no state of its own."""
    if isinstance(happened, Result) and isinstance(happened.data, CascadeFound):
        return Decision(state, orders(happened.data, now))
    if isinstance(state, Proposal):
        is_due = isinstance(happened, Due) and happened.kind == CARRY_OUT
        return _as_state(gone_on(state, now)) if is_due else Decision(state)
    decided = _of_case(state, happened, known, now)
    decided = replace(decided, deadlines=(*decided.deadlines, *rearmed(state, decided.state)))
    return _as_state(decided)


def _of_case(status: Status | None, happened: Happened, known: Knowledge, now: datetime) -> Decided:
    match happened:
        case Event(data=CertificateIssued() as issued):
            return learnt(status, issued.case_id, Certificate.of(issued, happened.time), known, now)
        case Event(data=CertificateVoided() as voided):
            return voiding.registered(status, voided, happened.time, now)
        case Event(data=RevocationRequested() as request):
            return asked_for(status, Asked(request, happened.time, now), known, now)
        case Result(data=Published() as published):
            return _still_holding(status, _publish(status, happened.key, published))
        case Result(data=Confirmed() as confirmed):
            return _still_holding(status, _confirm(status, happened.key, confirmed))
        case Event(data=ResponderRequested()):
            return responders.certify(status, happened)
        case Result(data=responders.Certified() as certified):
            return responders.certified(status, certified)
        case Due(kind="publish") if issuer := scheduled_issuer(happened.key):
            return Decision(status, intents=(Intent(PUBLISH, PublishOrder(issuer=issuer)),))
        case Due(kind=kind) if kind == ANSWER:
            return answered_again(status, known, now)
        case Due(kind=kind) if kind == CLOCK and (entry := open_revocation(status)) is not None:
            events, intents, deadlines = rung(UUID(happened.key), entry, now)
            return Decision(status, events, intents, deadlines)
        case _:
            return Decision(status)


def _still_holding(before: Status | None, decided: Decided) -> Decided:
    """What waits goes on waiting, whatever becomes of the certificate."""
    return replace(decided, state=holding(decided.state, held_of(before)))


def _as_state(decided: Decision[Status] | Decision[Proposal]) -> Decision[State]:
    return Decision(decided.state, decided.events, decided.intents, decided.deadlines)


def heeds(data: EventData) -> bool:
    """Whether anything can follow from an event."""
    return isinstance(data, CertificateIssued | CertificateVoided | RevocationRequested | ResponderRequested)


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
    return Decision(Revoked(status.certificate, status.revocation), events=telling.revoked(status, key, confirmed))


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
