"""What a turn decides: `decide` folded over what happened to each key, in order. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID, uuid5

from servicecert_schemas.event import EventData
from servicecert_schemas.topics import MAX_EVENT_BYTES

from ..decider import Deadline, Decision, Due, Happened, Intent, Result, Stored, Transient, Unanswerable
from ..faults import error_summary
from .record import Arrival, Poison

S = TypeVar("S")
K = TypeVar("K")
Item = Arrival | Result | Due


class Stuck(Exception):
    """A result or a deadline that the decider cannot take. It stays open: it is no record that could be parked."""

    def __init__(self, item: Result | Due, error: Exception) -> None:
        super().__init__(f"{item.kind}: {type(error).__name__}")
        self.item = item
        self.error = error


@dataclass(frozen=True, slots=True)
class Published:
    """An event that was decided, with the id that follows from its cause."""

    id: UUID
    data: EventData
    payload: bytes
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Intended:
    """An intent that was decided, with its id and key."""

    id: UUID
    key: str
    intent: Intent
    payload: bytes
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Armed:
    """A deadline that was decided; None cancels it."""

    id: UUID
    key: str
    kind: str
    at: datetime | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Aside:
    """A record to be parked: the culprit, or one that waits behind it."""

    arrival: Arrival
    culprit: bool
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What followed from one item, as the audit chain tells it (B6).

    `state` names the type of a state that is new, `parked` why a record is put aside, `belated` what a result is that contradicts its act's end.
    """

    item: Item
    published: Sequence[Published] = ()
    intended: Sequence[Intended] = ()
    deadlines: Sequence[Deadline] = ()
    state: str | None = None
    parked: str | None = None
    belated: str | None = None


@dataclass(slots=True)
class Folded(Generic[S]):
    """All that a turn decided. `decided` tells the same item by item."""

    changed: list[Stored[S]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    intended: list[Intended] = field(default_factory=list)
    armed: dict[tuple[str, str], Armed] = field(default_factory=dict)
    aside: list[Aside] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)

    def put_aside(self, aside: Aside) -> None:
        self.aside.append(aside)
        self.decided.append(Decided(aside.arrival, parked=aside.reason))


def fold(
    decide: Callable[[S | None, Happened, K, datetime], Decision[S]],
    items: Sequence[Item],
    stored: Mapping[str, Stored[S]],
    parked: Mapping[str, int],
    known: K,
    now: datetime,
) -> Folded[S]:
    """Decides each item in order. `parked` are the keys that have parked records, with the place of the first: later ones wait behind it (I5).

    Raises `Stuck` for a result or a deadline that `decide` raises at, and `Transient` as it comes. An event that `decide` raises at is put aside.
    """
    folded: Folded[S] = Folded()
    states: dict[str, S | None] = {key: entry.state for key, entry in stored.items()}
    waiting: set[str] = set()
    for item in items:
        happened: Happened
        if isinstance(item, Arrival):
            if item.key in waiting or _waits(item, parked.get(item.key)):
                folded.put_aside(Aside(item, False, "behind", "An earlier event of the same key is parked."))
                continue
            if isinstance(item.what, Poison):
                folded.put_aside(Aside(item, True, item.what.reason, item.what.error))
                waiting.add(item.key)
                continue
            happened = item.what
        else:
            happened = item
        state = states.get(happened.key)
        try:
            decision = decide(state, happened, known, now)
            published = [_published(happened, place, data) for place, data in enumerate(decision.events)]
            intended = [_intended(happened, place, intent) for place, intent in enumerate(decision.intents)]
        except Transient:
            raise
        except Exception as error:
            if isinstance(item, Arrival):
                folded.put_aside(_aside(item, error))
                waiting.add(item.key)
                continue
            raise Stuck(item, error) from error
        changed = decision.state is not state
        if changed:
            states[happened.key] = decision.state
        name = type(decision.state).__name__ if changed else None
        folded.decided.append(Decided(item, published, intended, decision.deadlines, name))
        _collect(folded, happened, decision, published, intended)
    for key, state in states.items():
        entry = stored.get(key)
        if state is not None and (entry is None or entry.state is not state):
            folded.changed.append(Stored(key, 0 if entry is None else entry.version, state))
    return folded


def _aside(arrival: Arrival, error: Exception) -> Aside:
    if isinstance(error, Unanswerable):
        return Aside(arrival, True, error.code, str(error))
    return Aside(arrival, True, "decide-raised", f"Deciding raised {error_summary(error)}.")


def _published(happened: Happened, place: int, data: EventData) -> Published:
    """The event that is the `place`-th to follow from what happened. Raises `ValueError` for one that no reader would take."""
    identity = uuid5(happened.id, f"{data.TYPE}/{place}")
    payload = data.model_dump_json().encode()
    if len(payload) > MAX_EVENT_BYTES:
        raise ValueError(f"{data.TYPE} has {len(payload)} bytes")
    return Published(identity, data, payload, child_trace(happened.traceparent, identity))


def _waits(arrival: Arrival, first: int | None) -> bool:
    return first is not None and (arrival.parked is None or first < arrival.parked.seq)


def _intended(happened: Happened, place: int, intent: Intent) -> Intended:
    identity = uuid5(happened.id, f"intent/{intent.kind}/{place}")
    return Intended(identity, happened.key, intent, intent.data.model_dump_json().encode(), happened.traceparent)


def _collect(
    folded: Folded[S],
    happened: Happened,
    decision: Decision[S],
    published: Sequence[Published],
    intended: Sequence[Intended],
) -> None:
    folded.published += published
    folded.intended += intended
    for deadline in decision.deadlines:
        identity = uuid5(happened.id, f"deadline/{deadline.kind}")
        slot = (happened.key, deadline.kind)
        folded.armed[slot] = Armed(identity, *slot, deadline.at, happened.traceparent)


def child_trace(traceparent: str | None, identity: UUID) -> str | None:
    """The trace context of an event that follows from another: the same trace, the event as the parent (W3C Trace Context section 3.2)."""
    if traceparent is None:
        return None
    version, trace, _, flags = traceparent.split("-")
    return f"{version}-{trace}-{identity.bytes[:8].hex()}-{flags}"
