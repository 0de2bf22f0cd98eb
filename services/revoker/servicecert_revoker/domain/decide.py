"""What follows from what happened to a case at the revoker, to a proposal of its operators, and to a CA's schedule of CRLs: a table of moves. Pure."""

from base64 import b64encode
from datetime import datetime
from typing import ClassVar, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.deadline import DeadlineKind
from servicecert_schemas.event import EventData
from servicecert_schemas.responder import ResponderCertified, ResponderRequested
from servicecert_schemas.revocation import RevocationRequested
from servicecert_worker.decider import Deadline, Decision, Due, Event, Facts, Happened, Intent, Result, Unanswerable
from servicecert_worker.domain.clocks import MARKS, Clock, marks_after

from ..crl.domain import publication
from ..crl.domain.publication import Confirmed, Published, PublishOrder
from ..proposals.domain import proposal
from ..proposals.domain.proposal import Proposal
from . import life
from .knowledge import Knowledge
from .requests import CascadeFound, Context, following
from .responders import CERTIFY, Certified, Drafted, Refused
from .status import Asked, Awaited, Entered, Listed, Registered, Revocation, Revoked, Status

State: TypeAlias = Status | Proposal

CLOCK = "revocation-clock"
"""The deadline at which a revocation's clock is looked at next."""

ALARM = "alarm"
"""The act of saying aloud that a revocation came too late."""


class Late(BaseModel):
    """A revocation that the world does not know of after 24 hours."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("due",)

    due: datetime


class Alarmed(BaseModel):
    """It was said."""


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
            deadlines = (*moved.deadlines, *_rearmed(state, moved.state))
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
        case Registered() | Listed(), Due(kind=kind) if kind == CLOCK:
            return Decision(status, *_rung(UUID(context.key), status.revocation, context.now))
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


def _open_revocation(status: Status | None) -> Revocation | None:
    """The revocation that the world is still to learn of."""
    return status.revocation if isinstance(status, Entered) and not isinstance(status, Revoked) else None


def clock_of(entry: Revocation) -> Clock:
    """The clock of D4."""
    return Clock(DeadlineKind.REVOCATION, entry.requested_at, entry.due)


def _rearmed(before: Status | None, after: Status | None) -> tuple[Deadline, ...]:
    """What changes for the clock with a case: it starts with the registration, whatever part of the time is gone, and ends with the revocation."""
    was, now = _open_revocation(before), _open_revocation(after)
    if was is None and now is not None:
        return (Deadline(CLOCK, clock_of(now).wakes(MARKS[0])),)
    return (Deadline(CLOCK, None),) if was is not None and now is None else ()


def _rung(
    case_id: UUID, entry: Revocation, now: datetime
) -> tuple[tuple[EventData, ...], tuple[Intent, ...], tuple[Deadline, ...]]:
    """What follows when the clock is looked at: the last mark that was passed is told, and the next one waited for."""
    clock = clock_of(entry)
    mark = clock.reached(now)
    left = marks_after(mark)
    again = (Deadline(CLOCK, clock.wakes(left[0])),) if left else ()
    if mark is None:
        return (), (), again
    return (clock.warning(case_id, mark),), () if left else (Intent(ALARM, Late(due=entry.due)),), again


def is_relevant(data: EventData) -> bool:
    """Whether anything can follow from an event."""
    return isinstance(data, CertificateIssued | CertificateVoided | RevocationRequested | ResponderRequested)


def schedule_key(issuer: str) -> str:
    """The key that a CA's scheduled CRLs belong to: that of its full one's `CrlPublished` events."""
    return f"crl/{issuer}/{FULL}"


def scheduled_issuer(key: str) -> str | None:
    """The CA whose schedule the key is, None for a case's key."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "crl" else None
