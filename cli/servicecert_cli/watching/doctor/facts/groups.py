"""What the coordinators say of the services' groups, the topics that they read, and the audit of their workers."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import groupby
from math import inf

from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from servicecert_schemas.topics import CATALOGUE, REGISTERS, SERVICES
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.reading import part_reader

from ....admin import lag
from ...conditions import CONDITIONS
from ..domain import groups as judged
from ..domain.check import fault, naming, ok
from ..domain.database import Connections, check_connections
from ..domain.figures import check_values
from ..domain.groups import Group, Member, Partition
from ..sources import Look, Sources, Stopped, elsewhere, shared
from . import QUERIES
from .database import in_schema
from .kafka import copies

_READ_SECONDS = 4.0
_MOST_READ = 12


@shared
async def look(sources: Sources) -> lag.Look:
    """Look at the services' groups and at all topics, as the exporter does. Raises Stopped where no topic exists."""
    kafka = await sources.kafka()
    await copies(sources)
    meter = lag.LagMeter(kafka.admin, kafka.reader, kafka.cluster.prefix)
    return await meter.look(lag.read_by(SERVICES), datetime.now(UTC), CATALOGUE)


@shared
async def groups(sources: Sources) -> list[Group]:
    """Return each service's group. Raises Stopped where no topic exists."""
    prefix = (await sources.kafka()).cluster.prefix

    def named(part: TopicPartition | lag.PartitionLag) -> Partition:
        return Partition(part.topic.removeprefix(prefix), part.partition)

    return [
        Group(
            each.name.removeprefix(prefix),
            frozenset(map(named, each.lags)),
            tuple(Member(member.client_id, frozenset(map(named, member.partitions))) for member in each.members),
            {named(part): records for part, records in each.lost.items()},
            prefix,
        )
        for each in (await look(sources)).groups
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


_LOADED = (
    "{} records, deletions among them. How many entries are left, intake's metric servicecert_followed_entries tells."
)

LOOKS = {
    "PartitionsUnread": Look(groups, judged.check_assignment),
    "Owners": Look(groups, judged.check_owners),
    "IdleWorkers": Look(groups, judged.check_idle_workers),
    "GroupClients": Look(groups, judged.check_group_clients),
    "VersionsDiffer": Look(worker_versions, judged.check_worker_versions),
    "RecordsLost": Look(groups, judged.check_offsets),
    "PartitionStalled": Look(unreadable, partial(naming, "Cannot be read: {}.", "All that waits can be read.")),
    "Connections": Look(connections, check_connections),
    "RegistersEmpty": Look(registers, lambda found: ok(_LOADED.format(found[0]))),
    "RegistersStale": Look(registers, lambda found: check_values(CONDITIONS["RegistersStale"], [({}, found[1])])),
}
