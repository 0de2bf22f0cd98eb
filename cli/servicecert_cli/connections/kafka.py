"""Kafka clients for commands. They do not log; if the broker does not answer, they raise one sentence."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from servicecert_schemas.account import AccountOpened
from servicecert_schemas.broker import Principal
from servicecert_schemas.codec import Record, Undecodable
from servicecert_schemas.customer import E_SERVICE, record_of
from servicecert_schemas.event import Change, EventData
from servicecert_schemas.topics import SERVICES, Topic
from servicecert_worker.core.broker_acls import IMPLYING_DESCRIBE, acls
from servicecert_worker.core.faults import OperatorError, with_timeout
from servicecert_worker.core.record import Record as Fetched
from servicecert_worker.core.signatures import Signer, Verifier
from servicecert_worker.kafka.clients import broker_refused, stop
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.partitioner import partitions_with
from servicecert_worker.kafka.reading import change_of, log_skipped

from ..faults import listed
from .addresses import UP_LOGINS

OPEN_SECONDS = 15.0
SEND_SECONDS = 30.0
SILENT_SECONDS = 60.0
"""How long a read may get no records although there are some."""
REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)
"""The errors of a broker that does not give this user a right."""

# An account is older than every application that is signed in it (A8).
_ACCOUNTS_OPENED = datetime(2020, 1, 1, tzinfo=UTC)

# aiokafka logs an outage every second; a command reports it once.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@asynccontextmanager
async def admin(cluster: Cluster, seconds: float = OPEN_SECONDS) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client. Raises OperatorError if the broker does not answer, at the start or later."""
    client = AIOKafkaAdminClient(**cluster.client, request_timeout_ms=15_000)
    async with _opened(cluster, client, seconds):
        yield client


@asynccontextmanager
async def producer(cluster: Cluster) -> AsyncIterator[AIOKafkaProducer]:
    """Open an idempotent producer. Raises OperatorError if the broker does not answer."""
    client = AIOKafkaProducer(**cluster.client, acks="all", enable_idempotence=True, request_timeout_ms=15_000)
    async with _opened(cluster, client):
        yield client


@asynccontextmanager
async def reader(
    cluster: Cluster, group: str | None = None, seconds: float = OPEN_SECONDS
) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer without a group, or one that commits for `group`. Raises OperatorError as `admin`."""
    client = AIOKafkaConsumer(
        **cluster.client,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=15_000,
        fetch_max_wait_ms=100,
    )
    async with _opened(cluster, client, seconds):
        yield client


async def partitions(cluster: Cluster, topic: Topic) -> list[int]:
    """Return a topic's partition numbers, perhaps more than in the catalogue. Raises OperatorError if missing."""
    (numbers,) = (await partitions_of(cluster, [cluster.name(topic)])).values()
    return numbers


async def partitions_of_key(cluster: Cluster, topic: Topic, key: str) -> list[int]:
    """Return the partitions that may have records with this key. Raises OperatorError if the topic is missing."""
    return partitions_with(key.encode(), topic.partitions, len(await partitions(cluster, topic)))


async def partitions_of(cluster: Cluster, names: Collection[str]) -> dict[str, list[int]]:
    """Return the partition numbers of topics by their full names. Raises OperatorError at once if one is missing."""
    async with admin(cluster) as client:
        described = existing(await client.describe_topics(sorted(names)))
    found = {each["topic"]: sorted(part["partition"] for part in each["partitions"]) for each in described}
    for name in sorted(set(names) - found.keys()):
        raise OperatorError(f"Kafka has no topic {name}: run `servicecert topics create`.", os.EX_CONFIG)
    return found


def existing(described: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the topics that exist. Raises TopicAuthorizationFailedError: what this user may not see may exist too."""
    if unseen := [each["topic"] for each in described if each["error_code"] == TopicAuthorizationFailedError.errno]:
        raise TopicAuthorizationFailedError(*unseen)
    return [each for each in described if each["error_code"] == 0]


async def records(
    cluster: Cluster, topic: Topic, only: Sequence[int] | None = None, last: int | None = None
) -> AsyncGenerator[Fetched]:
    """Yield the records that a topic, or some of its partitions, has now, in partition order. Raises OperatorError.

    With `last`, only so many of the offsets at the end of each partition.
    """
    numbers = await partitions(cluster, topic) if only is None else only
    places = [TopicPartition(cluster.name(topic), number) for number in numbers]
    async with reader(cluster) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        if last is not None:
            for each, first in (await consumer.beginning_offsets(places)).items():
                consumer.seek(each, max(first, ends[each] - last))
        now = asyncio.get_running_loop().time
        last_batch = now()
        while [each for each in places if await consumer.position(each) < ends[each]]:
            batches = await consumer.getmany(timeout_ms=500, max_records=500)
            if not batches and now() > last_batch + SILENT_SECONDS:
                raise await broker_refused(cluster)
            for each, batch in batches.items():
                for record in batch:
                    if record.offset < ends[each]:
                        yield record
            last_batch = now() if batches else last_batch


async def read(
    cluster: Cluster,
    topic: Topic,
    take: Callable[[Change], object],
    only: Sequence[int] | None = None,
    verifier: Verifier | None = None,
    skip: Callable[[Fetched, Undecodable], object] = log_skipped,
) -> None:
    """Call `take` with each change that a topic, or some of its partitions, has now, in order. Raises OperatorError.

    `skip` is called with each record that is no event; with a verifier also with those that its writer has not signed.
    """
    async with aclosing(records(cluster, topic, only)) as all_records:
        async for record in all_records:
            try:
                change = change_of(topic, record, verifier)
            except Undecodable as fault:
                skip(record, fault)
            else:
                take(change)


async def publish(
    cluster: Cluster, *events: EventData, signer: Signer | None = None, source: str = E_SERVICE
) -> list[UUID]:
    """Publish events in order, for tests as the service that signs; return their ids. Raises OperatorError."""
    records = [
        record_of(
            data,
            source=source if signer is None else signer.source,
            time=_ACCOUNTS_OPENED if isinstance(data, AccountOpened) else None,
        )
        for data in events
    ]
    async with producer(cluster) as client:
        await send(client, cluster, records if signer is None else [signer.signed(each) for each in records])
    return [record.id for record in records]


async def send(producer: AIOKafkaProducer, cluster: Cluster, records: Sequence[Record]) -> None:
    """Send records in order; return when the broker has them all. Raises OperatorError if a topic is missing."""
    # A producer waits long for a missing topic.
    await partitions_of(cluster, {cluster.prefix + record.topic for record in records})
    async with explained(cluster, TimeoutError):
        async with asyncio.timeout(SEND_SECONDS):
            await asyncio.gather(
                *[
                    await producer.send(
                        cluster.prefix + record.topic, value=record.value, key=record.key, headers=record.headers
                    )
                    for record in records
                ]
            )


@asynccontextmanager
async def _opened(cluster: Cluster, client: Any, seconds: float = OPEN_SECONDS) -> AsyncIterator[None]:
    try:
        async with explained(cluster, OSError, TimeoutError):
            await with_timeout(seconds, client.start())
        # A time limit of what is done with the client is not Kafka's.
        async with explained(cluster):
            yield
    finally:
        await stop(client)


@asynccontextmanager
async def explained(cluster: Cluster, *others: type[Exception]) -> AsyncIterator[None]:
    """Raise OperatorError for what Kafka's client raises here, and for the `others`."""
    try:
        yield
    except REFUSED as fault:
        raise refused(cluster, fault) from fault
    except (KafkaError, *others):
        raise await broker_refused(cluster) from None


def refused(cluster: Cluster, fault: Exception) -> OperatorError:
    """Return the error of a broker that does not give this user a right, with a user that has it."""
    others, needs = set(Principal) - {cluster.access.sasl_username}, set(fault.args)
    given = acls(cluster.prefix)
    able = [each for each in others if needs <= {it.name for it in given[each] if it.operation in IMPLYING_DESCRIBE}]
    # The e-service and the canary write to the same topics: a person is the first of them, a service the last.
    operator = Principal.OPERATOR
    user = max(able or [operator], key=lambda it: (it == operator, it not in SERVICES, it))
    way_out = f"{user}, by `. {UP_LOGINS / user}`" if (UP_LOGINS / user).exists() else user
    if not needs and not isinstance(fault, GroupAuthorizationFailedError):
        way_out = "the user of this command or the broker's administrator"
    return OperatorError(
        f"Kafka does not allow {cluster.access.who} what this needs of {needed(fault)}: log in as {way_out}; "
        "docs/kafka-rights.md has the user of each command.",
        os.EX_NOPERM,
    )


def needed(fault: Exception) -> str:
    """Return of what a broker refuses a right, such as `the topic registers`."""
    kind = type(fault).__name__.partition("Auth")[0].lower()
    return f"the {kind}{'s' * (len(fault.args) > 1)} {listed(fault.args)}".rstrip()
