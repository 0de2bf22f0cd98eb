"""Whether a service's database is older than its topics: it was restored, or a replica that lags took over.

Such a database has forgotten what was decided since. A worker that went on would skip events, because its group's
offsets are ahead, and decide again what was decided and published. So it stops before it decides anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Seen:
    """An event in a topic. `ids` are those under which a database may know it, `topic` is the catalogue's name."""

    topic: str
    partition: int
    offset: int
    ids: frozenset[UUID]
    time: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """Events of a topic that a database does not know: at least so many, the first that was found of `since`."""

    topic: str
    count: int
    since: datetime
    own: bool


def unknown_outputs(own: Iterable[Seen], known: Collection[UUID], earlier: Collection[UUID]) -> list[Seen]:
    """Return the service's own events beyond those that its database has published.

    It knows those that still wait in the outbox. `earlier` are the ids of events before them in their partitions: a
    relay that was paused may publish a second copy last.
    """
    return [each for each in own if each.ids.isdisjoint(known) and each.ids.isdisjoint(earlier)]


def newest(inputs: Iterable[Seen]) -> list[Seen]:
    """Return the last one of each partition."""
    last: dict[tuple[str, int], Seen] = {}
    for each in sorted(inputs, key=lambda each: each.offset):
        last[each.topic, each.partition] = each
    return list(last.values())


def unknown_inputs(handled: Sequence[Seen], known: Collection[UUID]) -> list[Seen]:
    """Return those after the last known one of each partition.

    `handled` are events before the group's offset, which is committed once an event is in the inbox or parked.
    """
    unknown = [each for each in handled if each.ids.isdisjoint(known)]
    last_known: Mapping[tuple[str, int], int] = {
        (each.topic, each.partition): each.offset
        for each in newest(each for each in handled if not each.ids.isdisjoint(known))
    }
    return [each for each in unknown if each.offset > last_known.get((each.topic, each.partition), -1)]


def by_topic(events: Iterable[Seen], *, own: bool) -> list[Unknown]:
    """Return how many events each topic has, and the time of the first."""
    grouped: dict[str, list[Seen]] = {}
    for each in events:
        grouped.setdefault(each.topic, []).append(each)
    return [
        Unknown(topic, len(found), min(each.time for each in found), own) for topic, found in sorted(grouped.items())
    ]


def verdict(service: str, unknown: Sequence[Unknown]) -> str | None:
    """Return the sentence for an operator; None if the database knows all."""
    if not unknown:
        return None
    counted = ", ".join(
        f"{'' if each.own else 'at least '}{each.count} {'written to' if each.own else 'handled of'} {each.topic}"
        for each in unknown
    )
    since = min(each.since for each in unknown)
    return (
        f"The database of {service} does not know records of its topics since {since:%Y-%m-%d %H:%M:%S} UTC "
        f"({counted}): it was restored to an earlier moment, or DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS belong to two "
        "systems. Nothing was decided. Start no worker, and run `servicecert restore check`."
    )
