"""What the coordinators say of the services' groups, and the audit of their workers."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from math import inf

from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from servicecert_schemas.topics import CATALOGUE, FOLLOWED, SERVICES
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.reading import part_reader

from ....admin import groups as kafka_groups
from ....admin import lag
from ...conditions import CONDITIONS
from ..domain import groups as judged
from ..domain.database import Connections, check_connections
from ..domain.groups import Group, Lost, Member, Partition, lost
from ..sources import Away, Look, Sources, shared
from . import QUERIES
from .database import in_schema
from .kafka import copies

_READ_SECONDS = 4.0
_MOST_READ = 12


@shared
async def groups(sources: Sources) -> list[Group]:
    """Return each service's group. Raises Away where no topic exists."""
    kafka = await sources.kafka()
    sizes = {each.topic: each.partitions for each in await copies(sources)}
    if not sizes:
        raise Away("Topics")
    found = []
    for service in SERVICES:
        group = kafka.cluster.group(service)
        members = [
            Member(each.client_id, frozenset(_partition(kafka.cluster.prefix, part) for part in each.partitions))
            for each in await kafka_groups.members(kafka.admin, group)
        ]
        read = {
            Partition(topic.name, number)
            for topic, count in sizes.items()
            if service in topic.readers and topic not in FOLLOWED
            for number in range(count)
        }
        found.append(Group(service, frozenset(read), tuple(members), kafka.cluster.prefix))
    return found


@shared
async def look(sources: Sources) -> lag.Look:
    """Look at the services' groups and at all topics, as the exporter does. Raises Away where no topic exists."""
    kafka = await sources.kafka()
    if not await copies(sources):
        raise Away("Topics")
    meter = lag.LagMeter(kafka.admin, kafka.reader, kafka.cluster.prefix)
    return await meter.look(lag.read_by(SERVICES), datetime.now(UTC), CATALOGUE)


async def connections(sources: Sources) -> Connections:
    """Return PostgreSQL's connections, and how many workers use them, where Kafka says it."""
    (row,) = await (await sources.database()).fetch(
        QUERIES["connections"], [f"servicecert-{service}" for service in SERVICES]
    )
    try:
        workers = sum(len(group.members) for group in await groups(sources))
    except Away:
        workers = None
    return Connections(**row, workers=workers)


async def offsets(sources: Sources) -> list[Lost]:
    """Return the records that were deleted unread."""
    kafka = await sources.kafka()
    prefix, found = kafka.cluster.prefix, []
    for service in SERVICES:
        handled = await kafka_groups.committed(kafka.admin, kafka.cluster.group(service))
        kept = {prefix + each.topic.name for each in await copies(sources)}
        handled = {partition: offset for partition, offset in handled.items() if partition.topic in kept}
        first = await kafka.reader.beginning_offsets(list(handled)) if handled else {}
        found += lost(
            service,
            {_partition(prefix, partition): offset for partition, offset in handled.items()},
            {_partition(prefix, partition): offset for partition, offset in first.items()},
        )
    return found


async def unreadable(sources: Sources) -> list[str]:
    """Return the partitions of the oldest records that wait for long, if they cannot be read."""
    lags = [lag for group in (await look(sources)).groups for lag in group.lags]
    late = [each for each in lags if each.messages and CONDITIONS["LagHigh"].is_wrong(_age(each))]
    tried = sorted(late, key=_age, reverse=True)[:_MOST_READ]
    kafka = await sources.kafka()
    readable = await asyncio.gather(*(_is_readable(kafka.cluster, each) for each in tried))
    return [
        f"{each.group} {each.topic.removeprefix(kafka.cluster.prefix)}/{each.partition} at offset {each.offset}"
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


async def worker_versions(sources: Sources) -> tuple[str, list[tuple[str, str]]]:
    """Return our version, and those of running workers with their places, by the newest audit chains there."""
    found = []
    for group in await groups(sources):
        machines = Counter(_machine(f"{group.prefix}{group.service}-", member.client) for member in group.members)
        if not machines:
            continue
        rows = await in_schema(sources, group.service, QUERIES["begun"])
        begun = sorted((json.loads(row["entry"])["begun"] for row in rows), key=lambda each: str(each.get("host")))
        by_machine = {host: list(each) for host, each in groupby(begun, key=lambda each: each.get("host"))}
        for machine, number in machines.items():
            newest = by_machine.get(machine, [])[:number]
            place = f"{group.service} on {machine}"
            found += [(place, each["version"]) for each in newest if each.get("version")]
    return version("servicecert"), found


def _machine(prefix: str, client: str) -> str:
    """Return the host in a worker's client id, which ends in the process's number and four letters."""
    return client.removeprefix(prefix).rsplit("-", 2)[0]


def _partition(prefix: str, partition: TopicPartition) -> Partition:
    return Partition(partition.topic.removeprefix(prefix), partition.partition)


LOOKS = {
    "PartitionsUnread": Look(groups, judged.check_assignment),
    "Owners": Look(groups, judged.check_owners),
    "IdleWorkers": Look(groups, judged.check_idle_workers),
    "GroupClients": Look(groups, judged.check_group_clients),
    "VersionsDiffer": Look(worker_versions, judged.check_worker_versions),
    "RecordsLost": Look(offsets, judged.check_offsets),
    "PartitionStalled": Look(unreadable, judged.check_unreadable),
    "Connections": Look(connections, check_connections),
}
