"""What the brokers say of themselves, of topics, of rights and of the services' groups."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from math import inf
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ClusterAuthorizationFailedError, SecurityDisabled, TopicAuthorizationFailedError
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, REGISTERS, SERVICES, Topic
from servicecert_worker.core.broker_acls import OPERATIONS, Acl, missing, surplus
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.internals import client_of, list_acls, raise_for
from servicecert_worker.kafka.reading import part_reader
from servicecert_worker.kafka.rights import found

from ....admin import lag
from ....admin.rights import ALLOW, PREFIXED, RESOURCES
from ....connections.kafka import existing
from ...conditions import CONDITIONS
from ..domain import kafka as judged
from ..domain import topics
from ..domain.check import fault, naming, ok, warning
from ..domain.database import Connections, check_connections
from ..domain.figures import check_values
from ..domain.kafka import BrokerRights, compared
from ..domain.topics import TopicCopy
from ..sources import Look, Sources, Stopped, elsewhere, open_kafka, shared
from . import QUERIES
from .database import in_schema

_RESOURCES = {number: resource for resource, number in RESOURCES.items()}


async def brokers(sources: Sources) -> tuple[set[int], set[int], list[str]]:
    """Return the brokers that answer and those that should, and the partitions that none leads."""
    parts = [(topic["topic"], part) for topic in await _described(sources) for part in topic["partitions"]]
    leaderless = [f"{topic}/{part['partition']}" for topic, part in parts if part["leader"] < 0]
    named = {node for _, part in parts for node in part["replicas"]}
    cluster = await (await sources.kafka()).admin.describe_cluster()
    return {each["node_id"] for each in cluster["brokers"]}, named, leaderless


async def rights(sources: Sources) -> BrokerRights:
    """Return how the rights differ from the catalogue's: all users' if we may see them, else our own."""
    kafka = await sources.kafka()
    client, prefix = client_of(kafka.admin), kafka.cluster.prefix
    try:
        acls = await list_acls(client)
    except SecurityDisabled:
        text = "The broker checks no rights: whoever reaches it may write to every topic."
        remedy = "Set authorizer.class.name, then run `servicecert topics acls --apply`."
        raise Stopped(warning(text, remedy)) from None
    except ClusterAuthorizationFailedError:
        name = kafka.cluster.access.sasl_username or os.environ.get("USER", "")
        ours = next((each for each in Principal if each == name), Principal.OPERATOR)
        answers = await found(client, kafka.cluster)
        return BrokerRights(str(ours), surplus(ours, prefix, answers), missing(ours, prefix, answers))
    allowed = [
        (user, Acl(_RESOURCES[kind], name, OPERATIONS[operation], pattern == PREFIXED))
        for kind, name, pattern, user, _, operation, permission in acls
        if kind in _RESOURCES and permission == ALLOW
    ]
    return compared(allowed, prefix, _by_name(kafka.cluster))


@shared
async def copies(sources: Sources) -> list[TopicCopy]:
    """Return the topics of the catalogue that exist. Raises Stopped where there is none."""
    kafka = await sources.kafka()
    names = _by_name(kafka.cluster)
    if not (described := await _described(sources)):
        raise Stopped(topics.check_topics([]), "Topics")
    resources = [ConfigResource(ConfigResourceType.TOPIC, each["topic"]) for each in described]
    settings = {}
    for answer in await kafka.admin.describe_configs(resources):
        for code, _, _, name, entries in answer.resources:
            raise_for(code)
            settings[name] = {entry[0]: entry[1] for entry in entries}
    return [
        TopicCopy(
            names[each["topic"]],
            len(each["partitions"]),
            min(len(part["replicas"]) for part in each["partitions"]),
            min(len(part["isr"]) for part in each["partitions"]),
            settings[each["topic"]],
        )
        for each in described
    ]


def _by_name(cluster: Cluster) -> dict[str, Topic]:
    return {cluster.name(topic): topic for topic in CATALOGUE}


@shared
async def _described(sources: Sources) -> list[Mapping[str, Any]]:
    kafka = await sources.kafka()
    return existing(await kafka.admin.describe_topics(list(_by_name(kafka.cluster))))


_READ_SECONDS = 4.0
_MOST_READ = 12


@shared
async def look(sources: Sources) -> lag.Look:
    """Look at the services' groups and at all topics, as the exporter does. Raises Stopped where no topic exists."""
    kafka = await sources.kafka()
    await copies(sources)
    meter = lag.LagMeter(kafka.admin, kafka.reader, kafka.cluster.prefix)
    return await meter.look(lag.read_by(SERVICES), datetime.now(UTC), CATALOGUE)


async def groups(sources: Sources) -> Sequence[lag.Group]:
    """Return each service's group. Raises Stopped where no topic exists."""
    return (await look(sources)).groups


async def lost(sources: Sources) -> list[tuple[str, Topic, int]]:
    """Return each partition of which records were deleted before its group read them, its topic, and their number."""
    topics_by_name = _by_name((await sources.kafka()).cluster)
    return [
        (f"{group.name} {topics.place(part)}", topics_by_name[part.topic], records)
        for group in await groups(sources)
        for part, records in group.lost.items()
    ]


async def connections(sources: Sources) -> Connections:
    """Return PostgreSQL's connections, and how many workers use them, where Kafka says it."""
    (row,) = await (await sources.database()).fetch(
        QUERIES["connections"], [f"servicecert-{service}" for service in SERVICES]
    )
    try:
        workers = sum(len(group.members) for group in await groups(sources))
    except Stopped:
        workers = None
    return Connections(**row, workers=workers)


async def unreadable(sources: Sources) -> list[str]:
    """Return the partitions of the oldest records that wait for long, if they cannot be read."""
    late = [each for each in (await look(sources)).lags if each.messages and CONDITIONS["LagHigh"].is_wrong(_age(each))]
    tried = sorted(late, key=_age, reverse=True)[:_MOST_READ]
    kafka = await sources.kafka()
    readable = await asyncio.gather(*(_is_readable(kafka.cluster, each) for each in tried))
    return [
        f"{each.group} {topics.place(each)} at offset {each.offset}"
        for each, is_readable in zip(tried, readable, strict=True)
        if not is_readable
    ]


async def _is_readable(cluster: Cluster, waiting: lag.PartitionLag) -> bool:
    part = {TopicPartition(waiting.topic, waiting.partition): (waiting.offset, waiting.offset + 1)}
    try:
        async with asyncio.timeout(_READ_SECONDS), part_reader(cluster) as reader:
            await reader.read(part)
    except TopicAuthorizationFailedError:
        raise
    except Exception:
        # Whatever ends the fetch here ends it in a worker.
        return False
    return True


def _age(waiting: lag.PartitionLag) -> float:
    return inf if waiting.seconds is None else waiting.seconds


@shared
async def registers(sources: Sources) -> tuple[int, float]:
    """Return how many records their topic has, and the age of the newest, without reading one, which few users may."""
    kafka, seen = await sources.kafka(), await look(sources)
    ends = {each: end for each, end in seen.ends.items() if each.topic == kafka.cluster.name(REGISTERS)}
    if not ends:
        raise elsewhere("Topics")
    records = {each: end - seen.first[each] for each, end in ends.items() if end > seen.first[each]}
    if not records:
        raise Stopped(fault("The topic is empty: every application is sent back."), "RegistersEmpty")
    moments = await lag.written(kafka.reader, {each: ends[each] - 1 for each in records})
    return sum(records.values()), (datetime.now(UTC) - max(moments.values())).total_seconds()


async def worker_versions(sources: Sources) -> tuple[str, list[tuple[str, str]]]:
    """Return our version, and those of running workers with their places, by the newest audit chains there."""
    prefix, found = (await sources.kafka()).cluster.prefix, []
    for group in await groups(sources):
        if not group.members:
            continue
        # A worker's client id ends in the process's number and four letters.
        clients = (member.client_id.removeprefix(f"{group.name}-") for member in group.members)
        running = Counter(client.rsplit("-", 2)[0] for client in clients)
        for row in await in_schema(sources, group.name.removeprefix(prefix), QUERIES["begun"]):
            begun = json.loads(row["entry"])["begun"]
            if running[machine := begun.get("host")] > 0:
                running[machine] -= 1
                found.append((f"{group.name} on {machine}", begun["version"]))
    return version("servicecert"), found


LOOKS = {
    "KafkaDown": Look(open_kafka, judged.check_reached),
    "Brokers": Look(brokers, judged.check_brokers),
    "BrokerRights": Look(rights, judged.check_broker_rights),
    "Topics": Look(copies, topics.check_topics),
    "Partitions": Look(copies, topics.check_partitions),
    "TopicSettings": Look(copies, topics.check_topic_settings),
    "Replication": Look(copies, topics.check_replication),
    "MinInSync": Look(copies, topics.check_min_in_sync),
    "PartitionsUnread": Look(groups, topics.check_assignment),
    "IdleWorkers": Look(groups, topics.check_idle_workers),
    "GroupClients": Look(groups, topics.check_group_clients),
    "VersionsDiffer": Look(worker_versions, topics.check_worker_versions),
    "RecordsLost": Look(lost, topics.check_offsets),
    "PartitionStalled": Look(unreadable, partial(naming, "Cannot be read: {}.", "All that waits can be read.")),
    "Connections": Look(connections, check_connections),
    "RegistersEmpty": Look(registers, lambda found: ok(f"The topic has at most {found[0]} records.")),
    "RegistersStale": Look(registers, lambda found: check_values(CONDITIONS["RegistersStale"], [({}, found[1])])),
}
