"""Decides about a case, a proposal, a responder's key and a CA's schedule of CRLs: a table of transitions. Pure."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.event import CaseEvent, EventData
from servicecert_schemas.responder import ResponderRequested
from servicecert_schemas.revocation import RevocationRequested
from servicecert_worker.core.decider import Decision, Due, Event, Facts, Happened, Intent, Result, Unanswerable

from . import confirmation, life, proposal, responders
from . import crl_orders as publication
from .certificates import BoundedVoid, Untrusted, Verified
from .crl_orders import Confirmed, Published, PublishOrder
from .irregular import Noted
from .knowledge import Knowledge
from .proposal import Proposal
from .requests import CascadeFound, Context, cascade_requests
from .responders import Certified, EnrolledKey, Uncertified
from .status import Asked, Listed, Revoked, Status, certificate_of
from .time_limits import CHANGE_CLOCK, CLOCK, check_clock, clock_deadlines

State: TypeAlias = Status | Proposal | EnrolledKey


def decide(state: State | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[State]:
    """Decide about a case, or by their keys `proposal/…`, a responder (`ocsp/…`) and a CA's schedule (`crl/…`)."""
    match state, happened:
        case _, Result(data=CascadeFound() as search):
            return Decision(state, cascade_requests(search.key_sha256, search.others, now))
        case Proposal(), Due(kind=proposal.CARRY_OUT):
            carried = proposal.carry_out(state, now)
            return Decision(carried.state, carried.events, carried.intents, carried.deadlines)
        case Proposal(), Due(kind=confirmation.CONFIRMATION_CLOCK):
            checked = confirmation.check(state, now)
            return Decision(checked.state, checked.events, checked.intents, checked.deadlines)
        case Proposal(), _:
            return Decision(state)
        case None | EnrolledKey(), Event(data=ResponderRequested() as request, facts=facts):
            over_limit = happened.key in known.over_limit
            return _widened(responders.enrol(state, request, facts, over_limit=over_limit))
        case EnrolledKey(), Result(data=Certified() as result):
            return _widened(responders.certified(state, result))
        case EnrolledKey(), Result(data=Uncertified() as result):
            return _widened(responders.uncertified(state, result))
        case EnrolledKey(), _:
            return Decision(state)
        case _:
            decision = _transition(state, happened, Context(known, now))
            deadlines = (*decision.deadlines, *clock_deadlines(state, decision.state))
            return Decision(decision.state, _published(decision), decision.intents, deadlines)


def _widened(decision: Decision[EnrolledKey]) -> Decision[State]:
    return Decision(decision.state, decision.events, decision.intents)


def _published(decision: Decision[Status]) -> tuple[EventData, ...]:
    """Return the events, of a second certificate without those of a case: its case is about the first one (F2)."""
    certificate = certificate_of(decision.state)
    if certificate is None or certificate.second_of is None:
        return decision.events
    return tuple(event for event in decision.events if not isinstance(event, CaseEvent))


def _transition(status: Status | None, happened: Happened, context: Context) -> Decision[Status]:
    """The table. A second end of a case that has one does not change the first (I3)."""
    match status, happened:
        case _, Event(data=RevocationRequested() as request):
            return life.ask(status, Asked(request, happened.time, context.now), context)
        case _, Due(kind=life.ANSWER):
            return life.answer(status, context)
        case _, Event(data=CertificateIssued() as issued, facts=Verified() as verified):
            return life.learn(status, issued, verified, happened.time, context)
        case _, Event(data=CertificateVoided() as voided, facts=BoundedVoid() as bounded):
            return life.void(status, voided, bounded, happened.time, context)
        case _, Event(data=CertificateIssued() | CertificateVoided(), facts=facts):
            raise _unverified(facts)
        case _, Result(data=Noted() as noted):
            return life.keep_second(status, noted, context.now)
        case _, Result(data=Published() as published):
            return life.mark_listed(status, published)
        case Listed() | Revoked(), Result(data=Confirmed() as confirmed):
            return life.mark_revoked(status, confirmed, UUID(happened.key))
        case _, Due(kind=kind) if kind in (CLOCK, CHANGE_CLOCK):
            return check_clock(status, kind, UUID(happened.key), context.now)
        case _, Due(kind=publication.PUBLISH) if issuer := issuer_of_schedule(happened.key):
            return Decision(status, intents=(Intent(publication.PUBLISH, PublishOrder(issuer=issuer)),))
        case _:
            return Decision(status)


def _unverified(facts: Facts | None) -> Exception:
    """Return why the event of a certificate is parked (F2)."""
    if isinstance(facts, Untrusted):
        return Unanswerable(facts.code, facts.text)
    return TypeError("A certificate is examined before it is decided.")


def is_relevant(data: EventData) -> bool:
    """Return whether the revoker acts on an event."""
    return isinstance(data, CertificateIssued | CertificateVoided | RevocationRequested | ResponderRequested)


def schedule_key(issuer: str) -> str:
    """Return the key of a CA's schedule: that of its full CRL's `CrlPublished` events."""
    return f"crl/{issuer}/{FULL}"


def issuer_of_schedule(key: str) -> str | None:
    """Return the CA whose schedule the key names, None for a case's key."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "crl" else None
