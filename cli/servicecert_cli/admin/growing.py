"""Gives topics more partitions while nothing is under way, so that no event overtakes an earlier one of its case.

A new partition moves keys: what a case had unhandled in its old partition would be read beside what comes into the new
one. So no worker may run, and every record that the services read from these topics must be handled.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import InvalidPartitionsError, KafkaError
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.core.faults import OperatorError, backoff, with_timeout
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.internals import client_of
from servicecert_worker.storage.database import role_of

from ..connections import kafka
from ..connections.schema import connected
from .groups import gone_after
from .internals import leaders_by_broker
from .lag import meter, read_by

GROWING = tuple(topic for topic in CATALOGUE if topic.can_grow)
"""The topics that get more partitions, all as many."""

_PATIENCE_SECONDS = 60.0
_UNPUBLISHED = "select count(*) from outbox where topic = any($1)"
# Whoever works for a service holds an advisory lock: the leader, who publishes, and each worker for its membership.
_WORKS = """
select exists (
    select from pg_locks as l join pg_stat_activity as a using (pid)
    where l.locktype = 'advisory' and l.granted and a.datname = current_database() and a.usename = $1
)
"""


def to_grow(sizes: Mapping[str, int | None], partitions: int) -> dict[str, int]:
    """Return the topics that have fewer partitions than they are to have, with their number. Raises OperatorError."""
    found: dict[str, int] = {}
    for topic, size in sizes.items():
        if size is None:
            raise OperatorError(f"Kafka has no topic {topic}: run `servicecert topics create`.", os.EX_CONFIG)
        if size > partitions:
            raise OperatorError(f"{topic} has {size} partitions, and Kafka takes none away: choose {size} or more.", 2)
        if size < partitions:
            found[topic] = size
    return found


def under_way(service: str, workers: int, works: bool, unhandled: Mapping[str, int], unpublished: int) -> str:
    """Return what a service still does: its workers, a lock of one, records to handle by topic, unpublished events."""
    running = [f"{workers} workers of {service} run"] if workers else []
    locking = [f"a worker of {service} holds its lock in PostgreSQL"] if works and not workers else []
    handling = [f"{service} has not handled {records} records of {topic}" for topic, records in unhandled.items()]
    publishing = [f"{service} has not published {unpublished} events"] if unpublished else []
    return ", ".join(running + locking + handling + publishing)


def require_idle(services: Sequence[str]) -> None:
    """Raise OperatorError if something is under way."""
    if services:
        raise OperatorError(
            f"No partition can be added while something is under way: {'; '.join(services)}. Pause what publishes, "
            f"let the workers handle everything, stop them, and run this again. {gone_after()}",
            os.EX_TEMPFAIL,
        )


async def look(cluster: Cluster, url: str) -> list[str]:
    """Return what each service that does something still does with the topics that can grow. Raises OperatorError.

    The database is asked first: once nobody holds a lock, and each event was acknowledged by Kafka, which is when it
    leaves the outbox, nothing comes into the topics any more but from outside.
    """
    tables = [await _asked(url, service) for service in SERVICES]
    topics = {service: [topic for topic in read if topic.can_grow] for service, read in read_by(SERVICES).items()}
    async with meter(cluster) as lags:
        groups = (await lags.look(topics, datetime.now(UTC))).groups
    found = []
    for service, (works, unpublished), group in zip(SERVICES, tables, groups, strict=True):
        unhandled: Counter[str] = Counter()
        for lag in group.lags:
            unhandled[lag.topic] += lag.messages
        found.append(under_way(service, len(group.members), works, +unhandled, unpublished))
    return list(filter(None, found))


async def _asked(url: str, service: str) -> tuple[bool, int]:
    async with connected(url, service) as connection:
        role = role_of(await connection.fetchval("select current_database()"), service)
        works = await connection.fetchval(_WORKS, role)
        return works, await connection.fetchval(_UNPUBLISHED, [topic.name for topic in GROWING])


async def grow(cluster: Cluster, url: str, topics: Sequence[str], partitions: int) -> None:
    """Add partitions to the topics, by their full names, while nothing is under way. Raises OperatorError.

    May be interrupted, and run again with the topics that are left.
    """
    require_idle(await look(cluster, url))
    await _add(cluster, topics, partitions)
    # A producer that was not silent may have written a case's later event beside an earlier one.
    if meanwhile := await look(cluster, url):
        raise OperatorError(
            f"The partitions are added, but meanwhile something was under way: {'; '.join(meanwhile)}. Events of a "
            "case may be read in another order: pause what publishes until the workers have handled everything, then "
            "look at those cases.",
            os.EX_DATAERR,
        )


async def _add(cluster: Cluster, topics: Sequence[str], partitions: int) -> None:
    async with kafka.admin(cluster) as admin, kafka.explained(cluster, TimeoutError):
        try:
            for topic in topics:
                # It has them already where an earlier run was interrupted a moment ago.
                with suppress(InvalidPartitionsError):
                    await admin.create_partitions({topic: NewPartitions(partitions)})
            await with_timeout(_PATIENCE_SECONDS, _until_known(admin, topics, partitions))
        except KafkaError as fault:
            if fault.retriable or isinstance(fault, kafka.REFUSED):
                raise
            raise OperatorError(f"Kafka refuses to add partitions: {fault}", os.EX_NOPERM) from None


async def _until_known(admin: AIOKafkaAdminClient, topics: Sequence[str], partitions: int) -> None:
    """Wait until each broker knows the new partitions and their leaders: so does then each client that starts."""
    client = client_of(admin)
    async for _ in backoff(first=0.02, longest=0.5):
        try:
            brokers = [broker["node_id"] for broker in (await admin.describe_cluster())["brokers"]]
            known = await leaders_by_broker(client, brokers, topics)
        except KafkaError as fault:
            if not fault.retriable:
                raise
            continue
        if all(len(leaders) >= partitions and all(leader >= 0 for leader in leaders) for leaders in known):
            return
