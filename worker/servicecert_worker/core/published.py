"""What a service has published, as its topics have it: a replay tells from it when and how things were decided. Pure.

The id of an event or intent follows from its cause: what followed from an item is found by the item's id.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from pydantic import BaseModel
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import unversioned
from servicecert_schemas.values import Texts

_PLACES = 5
"""How many of an item's events are looked up: the first ones are enough to know that there are any, and when."""


def event_id(cause: UUID, type: str, place: int) -> UUID:
    """Return the id of the `place`-th event that follows from an item: the same in every version of its type."""
    return uuid5(cause, f"{_first(type)}/{place}")


def intent_id(cause: UUID, kind: str, place: int) -> UUID:
    """Return the id of the `place`-th intent that follows from an item."""
    return uuid5(cause, f"intent/{kind}/{place}")


def announcement_id(intent: UUID, type: str) -> UUID:
    """Return the id of the event that announces an intent: the same, whoever announces it, in every version."""
    return uuid5(intent, _first(type))


def _first(type: str) -> str:
    return f"{unversioned(type)}.v1"


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event in one of a service's own topics. `time` is when the service decided it, by its clock.

    `sequence` is its place among all events of the service; those of one turn have one time.
    """

    id: UUID
    data: EventData
    time: datetime
    sequence: int = 0


class PublishedEvents:
    """A service's events, in the order in which they are read from its topics. A repeated one counts once."""

    def __init__(self, events: Iterable[PublishedEvent] = ()) -> None:
        self._by_id: dict[UUID, PublishedEvent] = {}
        self._by_key: dict[str, list[PublishedEvent]] = {}
        self._types: set[str] = set()
        for event in events:
            self.add(event)

    def add(self, event: PublishedEvent) -> None:
        if event.id not in self._by_id:
            self._by_id[event.id] = event
            self._by_key.setdefault(event.data.key(), []).append(event)
            self._types.add(event.data.TYPE)

    def __iter__(self) -> Iterator[PublishedEvent]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id: UUID) -> bool:
        return id in self._by_id

    def get(self, id: UUID) -> PublishedEvent | None:
        return self._by_id.get(id)

    def of(self, key: str) -> Sequence[PublishedEvent]:
        return self._by_key.get(key, ())

    def following(self, cause: UUID) -> Iterator[PublishedEvent]:
        """Yield the first events that followed from an item, each once."""
        for type in self._types:
            for place in range(_PLACES):
                if (event := self._by_id.get(event_id(cause, type, place))) is not None:
                    yield event

    def all_following(self, cause: UUID, type: type[EventData]) -> Iterator[PublishedEvent]:
        """Yield all events of a type that followed from an item, one after another in their order."""
        place = missing = 0
        while missing < _PLACES:
            event = self._by_id.get(event_id(cause, type.TYPE, place))
            missing = missing + 1 if event is None else 0
            place += 1
            if event is not None:
                yield event

    def decided_at(self, cause: UUID, announced: Iterable[str] = ()) -> datetime | None:
        """Return when an item was decided; None if nothing that followed from it is known.

        `announced` are the kinds of intents that are announced: an announcement tells it, too.
        """
        followed = (event.time for event in self.following(cause))
        return next(followed, None) or next(
            (
                event.time
                for kind in announced
                for type in self._types
                if (event := self._by_id.get(announcement_id(intent_id(cause, kind, 0), type))) is not None
            ),
            None,
        )

    def place_of(self, cause: UUID) -> int:
        """Return the place of an item among those that were decided in one turn, by its first event; 0 if unknown."""
        return min((event.sequence for event in self.following(cause)), default=0)

    def is_superfluous(self, id: UUID, data: EventData, decided: datetime) -> bool:
        """Return whether an event is published already, or one of its key that says all that it says.

        The other may have another id: a mail that was handed over at the second attempt has that of the second intent.
        """
        return id in self._by_id or self.copy_of(data, decided) is not None or self._is_replaced(data, decided)

    def copy_of(self, data: EventData, decided: datetime) -> PublishedEvent | None:
        """Return an event of the same content that was decided then or later."""
        return next((it for it in self.of(data.key()) if it.time >= decided and is_same(it.data, data)), None)

    def _is_replaced(self, data: EventData, decided: datetime) -> bool:
        others = (it for it in self.of(data.key()) if it.time >= decided and it.data.TYPE == data.TYPE)
        return any(it.data.replaces(data) for it in others)


def is_same(one: EventData, other: EventData) -> bool:
    """Return whether two events say the same. Texts for people do not count: another release may word them anew."""
    return type(one) is type(other) and _content(one) == _content(other)


def _content(value: object) -> object:
    match value:
        case Texts():
            return None
        case BaseModel():
            return [_content(getattr(value, name)) for name in type(value).model_fields]
        case list() | tuple():
            return [_content(each) for each in value]
        case _:
            return value
