"""A turn's decisions: `decide` folded over the items of each key, in order. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID, uuid5

from servicecert_schemas.codec import written
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import unversioned

from . import traces
from .decider import Deadline, Decision, Due, Happened, Intent, Result, Stored, Task, Transient, Unanswerable
from .faults import error_summary
from .record import Arrival, Poison

S = TypeVar("S")
K = TypeVar("K")
Item = Arrival | Result | Due


class Stuck(Exception):
    """A result or a deadline that `decide` raises at. It stays open and is retried: only records can be parked."""

    def __init__(self, item: Result | Due, error: Exception) -> None:
        super().__init__(f"{item.kind}: {type(error).__name__}")
        self.item = item
        self.error = error


@dataclass(frozen=True, slots=True)
class DecidedEvent:
    """An event to publish, with the id that follows from its cause, and the type of the version that is written."""

    id: UUID
    data: EventData
    type: str
    payload: bytes
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class DecidedIntent:
    """An intent to store, with its id and key."""

    id: UUID
    key: str
    intent: Intent
    payload: bytes
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class DecidedDeadline:
    """A deadline to store; None cancels it."""

    id: UUID
    key: str
    kind: str
    at: datetime | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class ParkedArrival:
    """A record to park: the culprit, which itself failed, or a later record of its key. `raised` is as in `Poison`."""

    arrival: Arrival
    culprit: bool
    reason: str
    error: str
    raised: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided for one item, for the audit chain (B6).

    `state` is the type name of a changed state, `parked` the reason why a record is parked, `late_code` the code of a
    late result that contradicts the recorded one.
    """

    item: Item
    published: Sequence[DecidedEvent] = ()
    intended: Sequence[DecidedIntent] = ()
    deadlines: Sequence[Deadline] = ()
    state: str | None = None
    parked: str | None = None
    late_code: str | None = None


@dataclass(slots=True)
class Folded(Generic[S]):
    """Everything a turn decided; `decided` holds the same by item."""

    changed: list[Stored[S]] = field(default_factory=list)
    published: list[DecidedEvent] = field(default_factory=list)
    intended: list[DecidedIntent] = field(default_factory=list)
    deadlines: dict[tuple[str, str], DecidedDeadline] = field(default_factory=dict)
    parked: list[ParkedArrival] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)

    def park(self, parked: ParkedArrival) -> None:
        self.parked.append(parked)
        self.decided.append(Decided(parked.arrival, parked=parked.reason))


def fold(
    decide: Callable[[S | None, Happened, K, datetime], Decision[S]],
    items: Sequence[Item],
    stored: Mapping[str, Stored[S]],
    parked: Mapping[str, int],
    known: K,
    now: datetime,
    service: str = "",
) -> Folded[S]:
    """Decide each item in order. `parked` has keys' first parked record's place: later ones wait behind it (I5).

    What follows from an item is below its handling by this `service` in the item's trace.
    If `decide` raises, an event is parked, and a result or deadline raises `Stuck`. `Transient` is raised unchanged.
    """
    folded: Folded[S] = Folded()
    states: dict[str, S | None] = {key: entry.state for key, entry in stored.items()}
    waiting: set[str] = set()
    for item in items:
        happened: Happened
        if isinstance(item, Arrival):
            if item.key in waiting or _is_behind(item, parked.get(item.key)):
                folded.park(ParkedArrival(item, False, "behind", "An earlier event of the same key is parked."))
                continue
            if isinstance(item.what, Poison):
                folded.park(ParkedArrival(item, True, item.what.reason, item.what.error, item.what.raised))
                waiting.add(item.key)
                continue
            happened = item.what
        else:
            happened = item
        state = states.get(happened.key)
        context = traces.handling(happened.traceparent, happened.id, service)
        try:
            decision = decide(state, happened, known, now)
            published = [_published(happened, place, data, context) for place, data in enumerate(decision.events)]
            intended = [_intended(happened, place, intent, context) for place, intent in enumerate(decision.intents)]
        except Transient:
            raise
        except Exception as error:
            if isinstance(item, Arrival):
                folded.park(_parked(item, error))
                waiting.add(item.key)
                continue
            raise Stuck(item, error) from error
        changed = decision.state is not state
        if changed:
            states[happened.key] = decision.state
        name = type(decision.state).__name__ if changed else None
        folded.decided.append(Decided(item, published, intended, decision.deadlines, name))
        folded.published += published
        folded.intended += intended
        _set_deadlines(folded, happened, decision.deadlines, context)
    _leave_out_replaced(folded)
    for key, state in states.items():
        entry = stored.get(key)
        if state is not None and (entry is None or entry.state is not state):
            folded.changed.append(Stored(key, 0 if entry is None else entry.version, state))
    return folded


def _parked(arrival: Arrival, error: Exception) -> ParkedArrival:
    raised = error_summary(error)
    if isinstance(error, Unanswerable):
        return ParkedArrival(arrival, True, error.code, str(error), raised)
    return ParkedArrival(arrival, True, "decide-raised", f"Deciding raised {raised}.", raised)


def event_id(cause: UUID, type: str, place: int) -> UUID:
    """Return the id of the `place`-th event that follows from an item: the same in every version of its type."""
    return uuid5(cause, f"{unversioned(type)}.v1/{place}")


def _published(happened: Happened, place: int, data: EventData, context: str | None) -> DecidedEvent:
    """Return the `place`-th event that follows from `happened`. Raises `TooLarge`."""
    type, payload = written(data)
    identity = event_id(happened.id, type, place)
    if context is not None and (name := data.own_trace()) is not None:
        context = traces.root(name, sampled=traces.is_sampled(context))
    return DecidedEvent(identity, data, type, payload, context)


def _leave_out_replaced(folded: Folded[S]) -> None:
    """Leave out each event that a later one of the same turn, key and type replaces."""
    latest: dict[tuple[str, str], DecidedEvent] = {}
    replaced: set[UUID] = set()
    for event in folded.published:
        place = event.data.TYPE, event.data.key()
        if (earlier := latest.get(place)) is not None and event.data.replaces(earlier.data):
            replaced.add(earlier.id)
        latest[place] = event
    if replaced:
        folded.published = [each for each in folded.published if each.id not in replaced]
        folded.decided = [
            replace(each, published=[event for event in each.published if event.id not in replaced])
            for each in folded.decided
        ]


def _is_behind(arrival: Arrival, first: int | None) -> bool:
    return first is not None and (arrival.parked is None or first < arrival.parked.seq)


def _intended(happened: Happened, place: int, intent: Intent, context: str | None) -> DecidedIntent:
    identity = uuid5(happened.id, f"intent/{intent.kind}/{place}")
    return DecidedIntent(identity, happened.key, intent, intent.data.model_dump_json().encode(), context)


def _set_deadlines(folded: Folded[S], happened: Happened, deadlines: Sequence[Deadline], context: str | None) -> None:
    """Add the deadlines. What is no case's repeats for ever: there each begins a trace, or one would grow for ever."""
    context = context if traces.is_case(happened.key) else None
    for deadline in deadlines:
        identity = uuid5(happened.id, f"deadline/{deadline.kind}")
        slot = (happened.key, deadline.kind)
        folded.deadlines[slot] = DecidedDeadline(identity, *slot, deadline.at, context)


@dataclass(frozen=True, slots=True)
class LateResult:
    """A result that arrived after another had ended its intent, and contradicts it: `code` says how."""

    result: Result
    code: str


@dataclass(frozen=True, slots=True)
class TurnResult:
    """A committed turn: intents to do now, items handled before, parked records, published types, late results.

    `stages` are those that keys have reached, with the seconds since each began. `decided` is what was decided for each
    item.
    """

    tasks: tuple[Task, ...]
    owner: int
    repeated: frozenset[UUID]
    parked: tuple[ParkedArrival, ...]
    published: tuple[str, ...]
    late_results: tuple[LateResult, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()
    decided: tuple[Decided, ...] = ()
