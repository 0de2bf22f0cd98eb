"""What a turn decides: `decide` folded over what happened to each key, in order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID, uuid5

from servicecert_schemas.event import EventData
from servicecert_schemas.topics import MAX_EVENT_BYTES

from .decider import Decision, Due, Happened, Intent, Result, Stored, Transient, Unanswerable
from .faults import named
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


@dataclass(slots=True)
class Folded(Generic[S]):
    """All that a turn decided."""

    changed: list[Stored[S]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    intended: list[Intended] = field(default_factory=list)
    armed: dict[tuple[str, str], Armed] = field(default_factory=dict)
    aside: list[Aside] = field(default_factory=list)


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
                folded.aside.append(Aside(item, False, "behind", "An earlier event of the same key is parked."))
                continue
            if isinstance(item.what, Poison):
                folded.aside.append(Aside(item, True, item.what.reason, item.what.error))
                waiting.add(item.key)
                continue
            happened = item.what
        else:
            happened = item
        state = states.get(happened.key)
        try:
            decision = decide(state, happened, known, now)
            published = [_published(happened, place, data) for place, data in enumerate(decision.events)]
        except Transient:
            raise
        except Exception as error:
            if isinstance(item, Arrival):
                folded.aside.append(_aside(item, error))
                waiting.add(item.key)
                continue
            raise Stuck(item, error) from error
        if decision.state is not state:
            states[happened.key] = decision.state
        _collect(folded, happened, decision, published)
    for key, state in states.items():
        entry = stored.get(key)
        if state is not None and (entry is None or entry.state is not state):
            folded.changed.append(Stored(key, 0 if entry is None else entry.version, state))
    return folded


def _aside(arrival: Arrival, error: Exception) -> Aside:
    if isinstance(error, Unanswerable):
        return Aside(arrival, True, error.code, str(error))
    return Aside(arrival, True, "decide-raised", f"Deciding raised {named(error)}.")


def _published(happened: Happened, place: int, data: EventData) -> Published:
    """The event that is the `place`-th to follow from what happened. Raises `ValueError` for one that no reader would take."""
    identity = uuid5(happened.id, f"{data.TYPE}/{place}")
    payload = data.model_dump_json().encode()
    if len(payload) > MAX_EVENT_BYTES:
        raise ValueError(f"{data.TYPE} has {len(payload)} bytes")
    return Published(identity, data, payload, child_trace(happened.traceparent, identity))


def _waits(arrival: Arrival, first: int | None) -> bool:
    return first is not None and (arrival.parked is None or first < arrival.parked.seq)


def _collect(folded: Folded[S], happened: Happened, decision: Decision[S], published: Sequence[Published]) -> None:
    folded.published += published
    for place, intent in enumerate(decision.intents):
        identity = uuid5(happened.id, f"intent/{intent.kind}/{place}")
        folded.intended.append(Intended(identity, happened.key, intent, happened.traceparent))
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
