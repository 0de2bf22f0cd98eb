"""Decides about a case, a proposal, a responder's key and a CA's schedule of CRLs: a table of transitions. Pure."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.event import CaseEvent
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import RevocationRequested
from servicecert_worker.core.decider import (
    Decision,
    Due,
    Event,
    Handlers,
    Happened,
    Intent,
    Result,
    Unanswerable,
    unchanged,
)

from . import authority_requests, crl_orders, life, requests, responders
from .authority_requests import CascadeFound, Proposal
from .certificates import BoundedVoid, Noted, Untrusted, Verified
from .crl_orders import Confirmed, Published, PublishOrder
from .knowledge import Knowledge
from .responders import Certified, EnrolledKey, Uncertified
from .status import Asked, Listed, Revoked, Status, certificate_of, pending_of
from .time_limits import CHANGE_CLOCK, CLOCK, check_clock, clock_deadlines

State: TypeAlias = Status | Proposal | EnrolledKey


def decide(state: State | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[State]:
    """Decide about a case, or by their keys `proposal/…`, a responder (`ocsp/…`) and a CA's schedule (`crl/…`)."""
    match state, happened:
        case _, Due(kind=crl_orders.PUBLISH) if issuer := issuer_of_schedule(happened.key):
            return Decision(state, intents=(Intent(crl_orders.PUBLISH, PublishOrder(issuer=issuer)),))
        case _, Result(data=CascadeFound() as search):
            return Decision(state, authority_requests.cascade_requests(search.key_sha256, search.others, now))
        case Proposal(), Due(kind=authority_requests.CARRY_OUT):
            return authority_requests.carry_out(state, now)
        case Proposal(), Due(kind=authority_requests.CONFIRMATION_CLOCK):
            return authority_requests.check_confirmation(state, now)
        case _, Event(data=ResponderRequested()):
            return _enrol(state, happened, known, now)
        case EnrolledKey(), Result(data=Certified() | Uncertified() as result):
            return responders.end(state, result)
        case Proposal() | EnrolledKey(), _:
            return Decision(state)
        case _:
            after = _transition(state, happened, known, now)
            certificate, events = certificate_of(after.state), after.events
            if certificate is not None and certificate.second_of is not None:
                # Its case is about the first certificate (F2).
                events = tuple(event for event in events if not isinstance(event, CaseEvent))
            deadlines = (*after.deadlines, *clock_deadlines(state, after.state))
            return Decision(after.state, events, after.intents, deadlines)


def _transition(status: Status | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[Status]:
    """The table. A second end of a case that has one does not change the first (I3)."""
    match status, happened:
        case _, Event():
            return HANDLERS.get(type(happened.data), unchanged)(status, happened, known, now)
        case _, Result(data=Noted() as noted):
            return life.keep_second(status, noted, now)
        case _, Result(data=Published() as published):
            return life.mark_listed(status, published)
        case Listed() | Revoked(), Result(data=Confirmed() as confirmed):
            return life.mark_revoked(status, confirmed, UUID(happened.key))
        case _, Due(kind=kind) if kind in (CLOCK, CHANGE_CLOCK):
            return check_clock(status, kind, UUID(happened.key), now)
        case _, Due(kind=requests.ANSWER):
            return requests.answer(status, pending_of(status), known, now)
        case _:
            return Decision(status)


def _learn(status: Status | None, event: Event, known: Knowledge, now: datetime) -> Decision[Status]:
    match event:
        case Event(data=CertificateIssued() as issued, facts=Verified() as verified):
            return life.learn(status, issued.case_id, verified, known, now)
        case Event(data=CertificateVoided() as voided, facts=BoundedVoid() as bounded):
            return life.void(status, voided, bounded, event.time, now)
        case Event(facts=Untrusted(code, text)):
            raise Unanswerable(code, text)
    raise TypeError("A certificate is examined before it is decided.")


def _ask(status: Status | None, event: Event, known: Knowledge, now: datetime) -> Decision[Status]:
    assert isinstance(event.data, RevocationRequested)
    return requests.ask(status, Asked(event.data, event.time, now), known, now)


def _enrol(state: State | None, event: Event, known: Knowledge, _now: datetime) -> Decision[State]:
    if not isinstance(event.data, ResponderRequested) or not (state is None or isinstance(state, EnrolledKey)):
        return Decision(state)
    return responders.enrol(state, event.data, event.facts, over_limit=event.key in known.over_limit)


HANDLERS: Handlers = {
    CertificateIssued: _learn,
    CertificateVoided: _learn,
    RevocationRequested: _ask,
    ResponderRequested: _enrol,
}


def schedule_key(issuer: str) -> str:
    """Return the key of a CA's schedule: that of its full CRL's `CrlPublished` events."""
    return f"crl/{issuer}/{FULL}"


def issuer_of_schedule(key: str) -> str | None:
    """Return the CA whose schedule the key names, None for a case's key."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "crl" else None
