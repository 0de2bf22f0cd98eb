"""Decides about a case, an operators' proposal and a CA's schedule of CRLs: a table of transitions. Pure."""

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
from .requests import CascadeFound, Context, cascade_requests
from .responders import CERTIFY, Certified, Drafted, Rejected
from .status import Asked, Awaited, Entered, Listed, Registered, Revocation, Revoked, Status

State: TypeAlias = Status | Proposal

CLOCK = "revocation-clock"
"""The deadline at which a revocation's clock is checked next."""

ALARM = "alarm"
"""The act that logs an alarm about a late revocation."""


class Late(BaseModel):
    """A revocation that relying parties cannot see after 24 hours."""

    model_config = ConfigDict(frozen=True)
    AUDITED: ClassVar[tuple[str, ...]] = ("due",)

    due: datetime


class Alarmed(BaseModel):
    """The alarm was logged."""


def decide(state: State | None, happened: Happened, known: Knowledge, now: datetime) -> Decision[State]:
    """Decide about a case, a proposal (key `proposal/<id>`) or a CA's schedule (key `crl/<issuer>/0`, no state)."""
    match state, happened:
        case _, Result(data=CascadeFound() as search):
            return Decision(state, cascade_requests(search.key_sha256, search.others, now))
        case Proposal(), Due(kind=proposal.CARRY_OUT):
            carried = proposal.carry_out(state, now)
            return Decision(carried.state, carried.events, carried.intents, carried.deadlines)
        case Proposal(), _:
            return Decision(state)
        case _:
            decision = _transition(state, happened, Context(known, now))
            deadlines = (*decision.deadlines, *_clock_deadlines(state, decision.state))
            return Decision(decision.state, decision.events, decision.intents, deadlines)


def _transition(status: Status | None, happened: Happened, context: Context) -> Decision[Status]:
    """The table. A second end of a case that has one changes nothing (I3)."""
    match status, happened:
        case _, Event(data=RevocationRequested() as request):
            return life.ask(status, Asked(request, happened.time, context.now), context)
        case _, Due(kind=life.ANSWER):
            return life.answer(status, context)
        case None | Awaited(), Event(data=CertificateIssued() as issued):
            return life.learn(status, issued, happened.time, context)
        case None | Awaited(), Event(data=CertificateVoided() as voided):
            return life.void(status, voided, happened.time, context)
        case _, Result(data=Published() as published):
            return life.mark_listed(status, published)
        case Listed(), Result(data=Confirmed() as confirmed):
            return life.mark_revoked(status, confirmed, UUID(happened.key))
        case Registered() | Listed(), Due(kind=kind) if kind == CLOCK:
            return Decision(status, *_check_clock(UUID(happened.key), status.revocation, context.now))
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


def _open_revocation(status: Status | None) -> Revocation | None:
    """Return the revocation that relying parties cannot see yet, if there is one."""
    return status.revocation if isinstance(status, Entered) and not isinstance(status, Revoked) else None


def clock_of(entry: Revocation) -> Clock:
    """Return the 24 hours of D4."""
    return Clock(DeadlineKind.REVOCATION, entry.requested_at, entry.due)


def _clock_deadlines(before: Status | None, after: Status | None) -> tuple[Deadline, ...]:
    """Start the clock with the registration, however much time has passed, and stop it with the revocation."""
    was, now = _open_revocation(before), _open_revocation(after)
    if was is None and now is not None:
        return (Deadline(CLOCK, clock_of(now).wakes(MARKS[0])),)
    return (Deadline(CLOCK, None),) if was is not None and now is None else ()


def _check_clock(
    case_id: UUID, entry: Revocation, now: datetime
) -> tuple[tuple[EventData, ...], tuple[Intent, ...], tuple[Deadline, ...]]:
    """Warn of the last mark that has passed, alarm after the end, and wait for the next mark."""
    clock = clock_of(entry)
    mark = clock.reached(now)
    left = marks_after(mark)
    again = (Deadline(CLOCK, clock.wakes(left[0])),) if left else ()
    if mark is None:
        return (), (), again
    return (clock.warning(case_id, mark),), () if left else (Intent(ALARM, Late(due=entry.due)),), again


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
