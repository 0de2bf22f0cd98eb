"""What follows from what happened to a case at the revoker, to a proposal of its operators, and to a CA's schedule of CRLs: a table of moves. Pure."""

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
from ..proposals.domain import proposal
from ..proposals.domain.proposal import Proposal
from . import clocks, life
from .knowledge import Knowledge
from .requests import CascadeFound, Context, following
from .responders import CERTIFY, Certified, Drafted, Refused
from .status import Asked, Awaited, Listed, Registered, Status

State: TypeAlias = Status | Proposal


def decide(state: State | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[State]:
    """One case's certificate; a proposal (key `proposal/<id>`); or the schedule of one CA (key `crl/<issuer>/0`), which has no state of its own."""
    match state, happened:
        case _, Result(data=CascadeFound() as found):
            return Decision(state, following(found.key_sha256, found.others, now))
        case Proposal(), Due(kind=proposal.CARRY_OUT):
            carried = proposal.gone_on(state, now)
            return Decision(carried.state, carried.events, carried.intents, carried.deadlines)
        case Proposal(), _:
            return Decision(state)
        case _:
            moved = _moved(state, happened, Context(happened.key, known, now))
            deadlines = (*moved.deadlines, *clocks.rearmed(state, moved.state))
            return Decision(moved.state, moved.events, moved.intents, deadlines)


def _moved(status: Status | None, happened: Happened, context: Context) -> Decision[Status]:
    """The table: a status and what happened to it, and the move that follows. Of a case whose end is known another end is none (I3)."""
    match status, happened:
        case None | Awaited(), Event(data=CertificateIssued() as issued):
            return life.learn(status, issued, happened.time, context)
        case None | Awaited(), Event(data=CertificateVoided() as voided):
            return life.void(status, voided, happened.time, context)
        case _, Event(data=RevocationRequested() as request):
            return life.ask(status, Asked(request, happened.time, context.now), context)
        case _, Due(kind=life.ANSWER):
            return life.answer(status, context)
        case _, Result(data=Published() as published):
            return life.mark_listed(status, published)
        case Listed(), Result(data=Confirmed() as confirmed):
            return life.mark_revoked(status, confirmed, context)
        case Registered() | Listed(), Due(kind=clocks.CLOCK):
            return Decision(status, *clocks.rung(UUID(context.key), status.revocation, context.now))
        case _, Due(kind=publication.PUBLISH) if issuer := scheduled_issuer(context.key):
            return Decision(status, intents=(Intent(publication.PUBLISH, PublishOrder(issuer=issuer)),))
        case _, Event(data=ResponderRequested(), facts=facts):
            return Decision(status, intents=_certify(facts))
        case _, Result(data=Certified() as certified):
            return Decision(status, (_certified(certified),))
        case _:
            return Decision(status)


def _certify(facts: Facts | None) -> tuple[Intent, ...]:
    """Each CA of the environment is to certify the key. Raises Unanswerable: a responder that asks wrongly is an operator's matter."""
    match facts:
        case Drafted(orders):
            return tuple(Intent(CERTIFY, order) for order in orders)
        case Refused(text):
            raise Unanswerable("responder-refused", text)
        case _:
            raise TypeError("A responder's request is examined before it is decided.")


def _certified(certified: Certified) -> EventData:
    """The responder is told."""
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


def heeds(data: EventData) -> bool:
    """Whether anything can follow from an event."""
    return isinstance(data, CertificateIssued | CertificateVoided | RevocationRequested | ResponderRequested)


def schedule_key(issuer: str) -> str:
    """The key that a CA's scheduled CRLs belong to: that of its full one's `CrlPublished` events."""
    return f"crl/{issuer}/{FULL}"


def scheduled_issuer(key: str) -> str | None:
    """The CA whose schedule the key is, None for a case's key."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "crl" else None
