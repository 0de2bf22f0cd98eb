"""Decides about a case, an operators' proposal and a CA's schedule of CRLs: a table of transitions. Pure."""

from base64 import b64encode
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.event import EventData
from servicecert_schemas.responder import ResponderCertified, ResponderRequested
from servicecert_schemas.revocation import RevocationRequested
from servicecert_worker.decider import Decision, Due, Event, Facts, Happened, Intent, Result, Unanswerable

from ..crl.domain import publication
from ..crl.domain.publication import Confirmed, Published, PublishOrder
from ..proposals.domain import confirmation, proposal
from ..proposals.domain.proposal import Proposal
from . import life
from .clocks import CHANGE_CLOCK, CLOCK, check_clock, clock_deadlines
from .knowledge import Knowledge
from .requests import CascadeFound, Context, cascade_requests
from .responders import CERTIFY, Certified, Drafted, Rejected
from .status import Asked, Awaited, Listed, Revoked, Status

State: TypeAlias = Status | Proposal

NO_SUCH_PARTITION = "The event names a partitioned CRL above SERVICECERT_CRL_PARTITIONS, so no CRL would list it."
"""Each pass makes the CRLs of all partitions: what an event says must not add any (F5)."""


def decide(state: State | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[State]:
    """Decide about a case, a proposal (key `proposal/<id>`) or a CA's schedule (key `crl/<issuer>/0`, no state)."""
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
        case _:
            decision = _transition(state, happened, Context(known, now))
            deadlines = (*decision.deadlines, *clock_deadlines(state, decision.state))
            return Decision(decision.state, decision.events, decision.intents, deadlines)


def _transition(status: Status | None, happened: Happened, context: Context) -> Decision[Status]:
    """The table. A second end of a case that has one changes nothing (I3)."""
    match status, happened:
        case _, Event(data=RevocationRequested() as request):
            return life.ask(status, Asked(request, happened.time, context.now), context)
        case _, Due(kind=life.ANSWER):
            return life.answer(status, context)
        case _, Event(data=CertificateIssued() | CertificateVoided() as reported) if (
            reported.partition > context.known.partitions
        ):
            raise Unanswerable("no-such-partition", NO_SUCH_PARTITION)
        case None | Awaited(), Event(data=CertificateIssued() as issued):
            return life.learn(status, issued, happened.time, context)
        case None | Awaited(), Event(data=CertificateVoided() as voided):
            return life.void(status, voided, happened.time, context)
        case _, Result(data=Published() as published):
            return life.mark_listed(status, published)
        case Listed() | Revoked(), Result(data=Confirmed() as confirmed):
            return life.mark_revoked(status, confirmed, UUID(happened.key))
        case _, Due(kind=kind) if kind in (CLOCK, CHANGE_CLOCK):
            return check_clock(status, kind, UUID(happened.key), context.now)
        case _, Due(kind=publication.PUBLISH) if issuer := issuer_of_schedule(happened.key):
            return Decision(status, intents=(Intent(publication.PUBLISH, PublishOrder(issuer=issuer)),))
        case _, Event(data=ResponderRequested(), facts=facts):
            return Decision(status, intents=_certify(facts))
        case _, Result(data=Certified() as certified):
            return Decision(status, (_certified(certified),))
        case _:
            return Decision(status)


def _certify(facts: Facts | None) -> tuple[Intent, ...]:
    """Return an order for each CA of the environment. Raises Unanswerable for a wrong request, for an operator."""
    match facts:
        case Drafted(orders):
            return tuple(Intent(CERTIFY, order) for order in orders)
        case Rejected(text):
            raise Unanswerable("responder-refused", text)
        case _:
            raise TypeError("A responder's request is examined before it is decided.")


def _certified(certified: Certified) -> EventData:
    """Return the event that brings a responder its certificate."""
    return ResponderCertified(
        environment=certified.environment,
        key_sha256=certified.key_sha256,
        issuer=certified.issuer,
        serial=certified.serial,
        fingerprint=certified.fingerprint,
        certificate=b64encode(certified.certificate).decode(),
        issuer_certificate=b64encode(certified.issuer_certificate).decode(),
        not_after=certified.not_after,
    )


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
