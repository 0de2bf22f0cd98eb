"""A service is a decider. This module defines it and the values it decides with.

A service decides what follows from an event, given its state and its topic snapshot. The worker does the rest: it reads
topics, handles a key's events in order, stores state, publishes events, does intents, keeps deadlines, parks poison.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict
from servicecert_schemas.event import Change, EventData
from servicecert_schemas.topics import Topic

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from .record import Record

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
K = TypeVar("K")
Connection: TypeAlias = "PoolConnectionProxy"
Fetch: TypeAlias = Callable[..., Awaitable[Sequence[Any]]]
"""Returns the rows of a query in the service's schema, given its arguments."""


class Facts:
    """The result of `examine` for an event. A service's facts derive from this; its `decide` matches on their types."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Untrusted(Facts):
    """Why an event is parked: a stable code and one sentence for an operator."""

    code: str
    text: str


def _facts(value: object) -> Facts:
    if not isinstance(value, Facts):
        raise ValueError("is not a Facts instance")
    return value


class Examined(BaseModel):
    """The result of an intent that examined something again: facts, like an event's."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64")

    # `Any`, so that pydantic serialises all fields of the facts (B6).
    facts: Annotated[Any, AfterValidator(_facts)]


@dataclass(frozen=True, slots=True)
class Event:
    """An event from a topic. `facts` are those of `examine`; `time` is when it happened, by its producer's clock.

    `record` is the one that it was read from: a service that acts on its writer's signature later keeps that of it.
    """

    id: UUID
    key: str
    data: EventData
    time: datetime
    facts: Facts | None = None
    traceparent: str | None = None
    record: "Record | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an intent. `id` is the intent's."""

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
    """A decided act, stored before it is done, with all the data that doing it needs."""

    kind: str
    data: BaseModel


@dataclass(frozen=True, slots=True)
class Deadline:
    """When to wake the key's decider. A key has one deadline of each kind: a new one replaces it, None cancels it."""

    kind: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Decision(Generic[S_co]):
    """The result of `decide`. A state that is the same object as the one passed in is not saved.

    An event's topic and key follow from its data, its id from its cause: a repeated decision repeats the id.
    """

    state: S_co | None
    events: tuple[EventData, ...] = ()
    intents: tuple[Intent, ...] = ()
    deadlines: tuple[Deadline, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored(Generic[S]):
    """A key's state, with the version it was loaded at (0: not stored yet)."""

    key: str
    version: int
    state: S


class Store(Protocol[S]):
    """A service's state store. Called in the turn's transaction, with the keys locked."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[S]]:
        """Return the states of those keys that have one."""
        ...

    async def save(self, connection: Connection, changed: Sequence[Stored[S]]) -> None:
        """Store each state as the version after the one it was loaded at.

        Raises `Conflict` if the stored version is not the loaded one.
        """
        ...


class Conflict(Exception):
    """A state changed between load and save, or two of a turn cannot both be stored. Retried in smaller turns."""


class Transient(Exception):
    """An external dependency is unavailable for now. The worker retries, with growing pauses."""


class FactsInvalid(Transient):
    """Facts no longer hold: a drawn number is in use. Raised by `decide` or a `Store`.

    The turn is retried with its events examined again; an event or an `Examined` result whose key is in `replacements`
    gets those facts instead. The text tells an operator why turns fail, and holds no personal data.
    """

    def __init__(self, text: str, replacements: Mapping[str, Facts] = MappingProxyType({})) -> None:
        super().__init__(text)
        self.replacements = replacements


class Unanswerable(Exception):
    """An event without a recipient for an answer, e.g. its case does not exist. It is parked, not lost (I1).

    `code` is stable; the text holds no personal data.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Task:
    """An intent in progress. `since` is when it was decided, `tries` the number of earlier attempts."""

    id: UUID
    key: str
    kind: str
    data: Any
    since: datetime
    traceparent: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The intent is done, successfully or not: `data` is its result.

    `steps` are its steps in their order, each with its end by the machine's clock, for traces.
    """

    data: BaseModel
    steps: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """The intent cannot be done for now. `reason` holds no personal data; `after` overrides the worker's pause."""

    reason: str
    after: timedelta | None = None


Outcome = Done | Retry


@dataclass(frozen=True, slots=True)
class Effect:
    """How intents of one kind are done: `do` takes up to `batch` tasks and returns one outcome for each, in order.

    `data` is the model of the intents' data. A task whose owner died is done again, so `do` must be idempotent. If `do`
    raises, the whole batch is retried.

    `result` is the model of the results. If it is given, the results of a batch are stored with their intents before
    the next batch is begun: of a worker that dies, at most `batch` times `concurrency` tasks are done again, whatever
    the backlog. Nobody need wait for the turn that tells of such a result, so many gather for it.

    `after_events` is for acts that must never be done twice with other content: `do` gets the tasks once all copies in
    sync of their topics have the events of the decisions that intended them (I4).
    """

    data: type[BaseModel]
    do: Callable[[Sequence[Task]], Awaitable[Sequence[Outcome]]]
    batch: int = 50
    concurrency: int = 1
    result: type[BaseModel] | None = None
    after_events: bool = False


Read: TypeAlias = Mapping[Any, float] | Callable[[], Awaitable[Mapping[Any, float]]]
"""A metric's values by label, or by several labels: what is counted in memory, or what returns them at each scrape."""


@dataclass(frozen=True, slots=True, eq=False)
class Gauge:
    """A metric of a process.

    `counts` is set where it only grows while the process runs: then it is a counter, and `_total` follows its name.
    """

    name: str
    text: str
    label: str | tuple[str, ...]
    read: Read
    counts: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.label,) if isinstance(self.label, str) else self.label


@dataclass(frozen=True, slots=True)
class TopicSnapshot(Generic[K]):
    """A snapshot of topics with unlimited retention, which a service decides with, e.g. the registers.

    `apply` returns a new snapshot from the old one and changes; a record may be applied more than once. A worker calls
    `on_caught_up`, if set, when a snapshot has reached the topics' end, and again every 30 s. It must be idempotent.

    `as_of` returns the snapshot for a turn, with up to when the topics have been read; None before their first end.

    `refused` returns those of the changes that change nothing since their actors may not cause them, with the code of
    why: they are counted, and logged as alarms. `answer` returns the event that the service decides, once, for such a
    record or one that is no event, given its topic, the code and the time; None for no answer.
    """

    topics: tuple[Topic, ...]
    empty: K
    apply: Callable[[K, Sequence[Change]], K]
    as_of: Callable[[K, datetime | None], K] = lambda snapshot, _: snapshot
    on_caught_up: Callable[[K], Awaitable[None]] | None = None
    refused: Callable[[K, Sequence[Change]], Iterable[tuple[Change, str]]] = lambda _snapshot, _changes: ()
    answer: "Callable[[Topic, Record, str, datetime], Event | None]" = lambda *_: None


Handlers: TypeAlias = Mapping[type[EventData], Callable[..., Decision[Any]]]
"""What decides an event, by its type."""


def unchanged(state: S | None, *_: object) -> Decision[S]:
    """Return that an event changes nothing: its type is in no table, or `prepare` has done all that follows from it."""
    return Decision(state)


@dataclass(frozen=True, slots=True)
class Rules(Generic[S, K]):
    """What a service decides; all of it is pure.

    `examine` computes facts that need CPU time or randomness, without state and I/O; it returns one event for each, in
    order. `handlers` is the table of event types with what decides them, which `decide` looks up; None stands for all.
    Of a type in it `concerns` returns whether an event can have consequences.

    `late_result_code` gets the key's state and a result that arrives after another result ended its intent. It returns
    a stable code if the two contradict each other, which is audited and logged as an alarm, or else None.

    `stages` returns which stages a key has reached between two of its states, with the seconds since it began.

    `initial_deadlines` (key, kind) exist from the first start on, due at once. `wait_for_topics` has the kinds that may
    decide what an event that was sent before would have decided otherwise: such a deadline is decided only when every
    record written up to that long before has been handled, however long the service was down.
    """

    decide: Callable[[S | None, Happened, K, datetime], Decision[S]]
    examine: Callable[[Sequence[Event]], Sequence[Event]] | None = None
    handlers: Handlers | None = None
    concerns: Callable[[Any], bool] = lambda _event: True
    late_result_code: Callable[[S | None, Result], str | None] = lambda _state, _result: None
    stages: Callable[[S | None, S], Sequence[tuple[str, float]]] = lambda _before, _after: ()
    initial_deadlines: tuple[tuple[str, str], ...] = ()
    wait_for_topics: Mapping[str, timedelta] = field(default_factory=lambda: MappingProxyType({}))

    def is_relevant(self, data: EventData) -> bool:
        """Return whether an event can have consequences: others are skipped and not stored in the inbox."""
        return (self.handlers is None or type(data) in self.handlers) and self.concerns(data)


@dataclass(frozen=True, slots=True)
class Tables(Generic[S, K]):
    """What a service keeps in its tables.

    `prepare` adds to the snapshot what they hold on the turn's items and states. It runs in the turn's transaction, so
    that `decide` sees what a concurrent turn stored. It may lock what it reads, and may write only what is true
    whatever `decide` returns: that a key was seen or is blocked, that a place among reminders is taken.

    `storable` returns the part of a parked record's value or header that may be kept; a replay decodes that.
    """

    store: Store[S]
    prepare: Callable[[Connection, Sequence[Happened], Mapping[str, Stored[S]], K], Awaitable[K]] | None = None
    storable: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True, slots=True)
class Oversight:
    """What monitoring and auditors see of a service.

    `audited` describes it in the first row of each audit chain, e.g. which keys it opened (B6). `holds_production_keys`
    is set where the keys of a production CA are open: nothing that is for trials works there, and nothing insecure is
    tolerated (F4).
    """

    gauges: tuple[Gauge, ...] = ()
    audited: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    holds_production_keys: bool = False


@dataclass(frozen=True, slots=True)
class Service(Generic[S, K]):
    """A service as a value.

    `beside` runs what acts without a turn, until its context ends, e.g. a reader of bounces. A worker opens it once the
    fence has let its database pass. Nobody else does: a service that is merely open changes nothing. It gets what
    raises ClockWrong where nothing may be decided by time (F6).
    """

    name: str
    reads: tuple[Topic, ...]
    rules: Rules[S, K]
    tables: Tables[S, K]
    effects: Mapping[str, Effect] = field(default_factory=lambda: MappingProxyType({}))
    snapshot: TopicSnapshot[K] | None = None
    oversight: Oversight = field(default_factory=Oversight)
    beside: Callable[[Callable[[], None]], AbstractAsyncContextManager[None]] = lambda _: nullcontext()
