"""Puts the events into a service's outbox again that its tables owe and its topics lack, after Kafka has lost them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import asyncpg
from servicecert_schemas.event import Change
from servicecert_schemas.topics import TOPIC_OF, Topic
from servicecert_worker.audit import owing
from servicecert_worker.audit.owing import CHECKPOINTS, Books
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.owed import Known, Owed
from servicecert_worker.core.service_keys import TrustedKeys
from servicecert_worker.core.signatures import Signer, Verifier
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage.operator_requests import OperatorAction, record

from ..connections import kafka
from ..connections.schema import connected

AT_ONCE = 500
"""How many keys are locked at once: turns about them wait meanwhile."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Counts:
    """How many events the tables owe to a topic, and where they are: in the topic, in the outbox, or missing."""

    owed: int = 0
    in_topic: int = 0
    in_outbox: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A service's tables and topics, with the public keys of all services."""

    service: str
    url: str
    cluster: Cluster
    keys: TrustedKeys


async def republish(
    place: Place, books: Sequence[Books], signer: Signer | None, since: datetime = _BEGINNING
) -> dict[str, Counts]:
    """Count by topic what the tables owe, and with a signer put what is missing into the outbox.

    Of a topic that keeps its records for a time, only what happened within that time and `since` counts: it would have
    no more itself. A record without the signature of its writer counts as missing: readers do not believe it. The
    outbox is read before the topics, so that what the relay publishes meanwhile is found. Raises OperatorError.
    """
    books = (*books, CHECKPOINTS)
    topics = {topic.name: topic for each in books for topic in each.topics}
    oldest = {name: _oldest(topic, since) for name, topic in topics.items()}
    counts = {name: Counts() for name in topics}
    try:
        async with connected(place.url, place.service) as opened:
            connection = cast(Connection, opened)
            outbox = Known([data async for data in owing.waiting(connection)])
            published = await _published(place, list(topics.values()))
            for each in books:
                last, earliest = "", min(oldest[topic.name] for topic in each.topics)
                while keys := await each.keys(connection, last, earliest, AT_ONCE):
                    last = keys[-1]
                    async with connection.transaction():
                        await owing.lock(connection, keys)
                        owed = [it for it in await each.events(connection, keys) if it.at >= oldest[_topic(it)]]
                        missing = _missing(sorted(owed, key=lambda it: it.data.key()), outbox, published, counts)
                        if signer is not None and missing:
                            await owing.put(connection, signer, missing)
                            await record(connection, "republish", [OperatorAction("", _by_topic(missing))])
    except asyncpg.InsufficientPrivilegeError:
        text = f"The login of DATABASE_URL may not do this: use that of {place.service} itself."
        raise OperatorError(text, 77) from None
    return counts


def _missing(owed: Sequence[Owed], outbox: Known, published: Known, counts: dict[str, Counts]) -> list[Owed]:
    """Count what is owed, and return what is neither in the outbox nor in the topics; it is in the outbox then."""
    missing = []
    for it in owed:
        count = counts[_topic(it)]
        count.owed += 1
        if it.data in published:
            count.in_topic += 1
        elif it.data in outbox:
            count.in_outbox += 1
        else:
            count.missing += 1
            outbox.add(it.data)
            missing.append(it)
    return missing


async def _published(place: Place, topics: Sequence[Topic]) -> Known:
    known = Known()

    def take(change: Change) -> None:
        if change.data is not None:
            known.add(change.data)

    for topic in topics:
        await kafka.read(place.cluster, topic, take, verifier=Verifier(place.keys, place.cluster.prefix))
    return known


def _oldest(topic: Topic, since: datetime) -> datetime:
    """Return the moment from which on a topic would still have its events."""
    return _BEGINNING if topic.retention is None else max(since, datetime.now(UTC) - topic.retention)


def _topic(owed: Owed) -> str:
    return TOPIC_OF[owed.data.TYPE].name


def _by_topic(owed: Sequence[Owed]) -> dict[str, int]:
    names = [_topic(it) for it in owed]
    return {name: names.count(name) for name in sorted(set(names))}
