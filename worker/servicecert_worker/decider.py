"""What a service is: a decider, and the values it decides with.

A service says what follows from what is known and what happened. The worker does everything else: it reads topics, serialises what happens to
a key, stores state, publishes events, does acts on the world, keeps deadlines, parks poison.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import Topic

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

S = TypeVar("S")
K = TypeVar("K")
Connection: TypeAlias = "PoolConnectionProxy[Any]"


class Facts:
    """What `examine` found out about an event. A service's own facts derive from this, and its `decide` matches on their types."""

    __slots__ = ()


def _facts(value: object) -> Facts:
    if not isinstance(value, Facts):
        raise ValueError("is no facts of a service")
    return value


class Examined(BaseModel):
    """The result of an act that examined something once more: facts, as an event comes with."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64")

    # `Any` for pydantic, which then writes whatever the facts are made of (B6).
    facts: Annotated[Any, AfterValidator(_facts)]


@dataclass(frozen=True, slots=True)
class Event:
    """An event from a topic. `facts` is what `examine` found out about it; `time` is when its writer says that it happened."""

    id: UUID
    key: str
    data: EventData
    time: datetime
    facts: Facts | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an intent. `id` is the intent's."""

    id: UUID
    key: str
    kind: str
    data: BaseModel
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline that passed."""

    id: UUID
    key: str
    kind: str
    at: datetime
    traceparent: str | None = None


Happened = Event | Result | Due


@dataclass(frozen=True, slots=True)
class Intent:
    """An act on the world that is decided: durable before it is done, with all that doing it needs."""

    kind: str
    data: BaseModel


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment at which the key's decider wants to be woken. One of each kind a key: naming it again moves it, None cancels it."""

    kind: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """What follows. The same state object as was given means that nothing is to be saved.

    The events' topics and keys follow from their data; their ids from what happened, so that a repetition repeats the ids.
    """

    state: S | None
    events: tuple[EventData, ...] = ()
    intents: tuple[Intent, ...] = ()
    deadlines: tuple[Deadline, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored(Generic[S]):
    """A key's state, with the version that it was loaded at (0: none is stored yet)."""

    key: str
    version: int
    state: S


class Store(Protocol[S]):
    """Where a service keeps its states. Called inside the turn's transaction, with the keys locked."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[S]]:
        """The states of those of the keys that have one."""
        ...

    async def save(self, connection: Connection, changed: Sequence[Stored[S]]) -> None:
        """Stores the states, each as the version after the one it was loaded at.

        Raises `Conflict` where a stored version is not the loaded one.
        """
        ...


class Conflict(Exception):
    """A state was changed by somebody else between load and save, or two states of a turn cannot both be stored. Smaller turns are tried."""


class Transient(Exception):
    """Something outside is unavailable for now. What was tried is tried again, with growing pauses."""


class FactsInvalid(Transient):
    """What `examine` found does not hold: a number that it drew is taken, the clock that it read is wrong. Raised by `decide` or by a `Store`.

    The turn is tried again with its events examined anew; one whose key is in `replacements` gets those facts, and is not examined. A result that is
    `Examined` gets them too. The text says why turns fail, for an operator, and holds no personal data.
    """

    def __init__(self, text: str, replacements: Mapping[str, Facts] = MappingProxyType({})) -> None:
        super().__init__(text)
        self.replacements = replacements


class Unanswerable(Exception):
    """An event that nobody can be answered about, e.g. of a case that does not exist. It is parked for an operator, so that it is not lost (I1).

    `code` is stable; the text holds no personal data.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Task:
    """An intent that is being done. `since` is when it was decided, `tries` how often it was tried before."""

    id: UUID
    key: str
    kind: str
    data: Any
    since: datetime
    traceparent: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The act is done, for better or worse: `data` says what came of it."""

    data: BaseModel


@dataclass(frozen=True, slots=True)
class Retry:
    """The act could not be done for now. `reason` holds no personal data; `after` is the pause, if the effect knows better than the worker."""

    reason: str
    after: timedelta | None = None


Outcome = Done | Retry


@dataclass(frozen=True, slots=True)
class Effect:
    """How intents of one kind are done: `do` takes up to `batch` of them and answers each, in order.

    `data` is the model of the intents' data. A task whose owner died is done anew, so an act must bear repetition. What `do` raises counts as
    `Retry` for the whole batch.
    """

    data: type[BaseModel]
    do: Callable[[Sequence[Task]], Awaitable[Sequence[Outcome]]]
    batch: int = 50
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that a service shows beside the worker's own. `read` is asked at each scrape, and answers the values by label, or by several."""

    name: str
    text: str
    label: str | tuple[str, ...]
    read: Callable[[], Awaitable[Mapping[str, float]]] | Callable[[], Awaitable[Mapping[tuple[str, ...], float]]]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels' names."""
        return (self.label,) if isinstance(self.label, str) else self.label


@dataclass(frozen=True, slots=True)
class Change:
    """A record of a followed topic: its key, what it says (None: that the entry is gone), and when its writer says that it happened."""

    key: str
    data: EventData | None
    time: datetime


@dataclass(frozen=True, slots=True)
class TopicSnapshot(Generic[K]):
    """A snapshot of topics that are kept for ever, which a service decides with, e.g. the registers.

    `apply` makes a new snapshot from the old one and what changed. A record may come more than once. `settled`, where there is one, is told by every
    worker of a snapshot after which nothing more comes, and of the same again twice a minute. It bears repetition.
    """

    topics: tuple[Topic, ...]
    empty: K
    apply: Callable[[K, Sequence[Change]], K]
    settled: Callable[[K], Awaitable[None]] | None = None


def _everything(_: EventData) -> bool:
    return True


def _nothing(_state: object, _result: Result) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Service(Generic[S, K]):
    """A service as a value.

    `decide` is pure. `examine` finds out about events what needs computing or randomness, without state and I/O; it answers one event for each,
    in order. `is_relevant` says of an event whether anything can follow from it: what a topic holds for others only is passed over, without a trace in
    the inbox. `initial_deadlines` are deadlines (key, kind) that exist from the first start on, due at once. `audited` is what the first row of each audit
    chain says of the service, e.g. which keys it opened (B6).

    `prepare` returns what is known, completed by what the service's own tables say of the turn's items and their stored states. It runs in the turn's
    transaction, so that `decide` sees what another turn stored in the same moment. It may lock what it reads, and may write only what holds whatever
    `decide` says: that a key was seen or is blocked, that a place among reminders is taken. `storable` makes of the value or a header of
    a record that is parked what may be kept of it; it is decoded from that when it is tried again.

    `waits_for_topics` are kinds of deadlines that may end what an event could have saved: such a one is decided only when all that was written up to so
    long before has had its effect, however long nobody was awake.

    `belated` is asked about a result that comes when another has ended its act, with the key's state: a stable code where it contradicts that end, so
    that it is audited and alarmed, None where it may be dropped.
    """

    name: str
    reads: tuple[Topic, ...]
    store: Store[S]
    decide: Callable[[S | None, Happened, K, datetime], Decision[S]]
    examine: Callable[[Sequence[Event]], Sequence[Event]] | None = None
    is_relevant: Callable[[EventData], bool] = _everything
    effects: Mapping[str, Effect] = field(default_factory=lambda: MappingProxyType({}))
    snapshot: TopicSnapshot[K] | None = None
    initial_deadlines: tuple[tuple[str, str], ...] = ()
    gauges: tuple[Gauge, ...] = ()
    audited: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    prepare: Callable[[Connection, Sequence[Happened], Mapping[str, Stored[S]], K], Awaitable[K]] | None = None
    storable: Callable[[bytes], bytes] = bytes
    waits_for_topics: Mapping[str, timedelta] = field(default_factory=lambda: MappingProxyType({}))
    belated: Callable[[S | None, Result], str | None] = _nothing
