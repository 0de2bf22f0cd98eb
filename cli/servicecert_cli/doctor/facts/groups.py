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
from servicecert_schemas.topics import FOLLOWED, SERVICES
from servicecert_worker.kafka import lag
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.internals import client_of
from servicecert_worker.kafka.reading import part_reader

from ..domain.groups import CRITICAL_SECONDS, Group, Lag, Lost, Member, Partition, Unreadable, WorkerVersion, lost
from ..sources import Away, Sources, shared
from . import QUERIES
from .database import in_schema
from .internals import assignments
from .kafka import copies

LOOK_SECONDS = 2.0
"""Between two looks at the lag."""
_READ_SECONDS = 4.0
_MOST_READ = 12


@shared
async def groups(sources: Sources) -> list[Group]:
    """Return each service's group. Raises Away where no topic exists."""
    kafka = await sources.kafka()
    sizes = {each.topic: each.partitions for each in await copies(sources)}
    if not sizes:
        raise Away("topics")
    found = []
    for service in SERVICES:
        group = kafka.cluster.group(service)
        members = [
            Member(client, frozenset(_partition(kafka.cluster.prefix, each) for each in partitions))
            for client, partitions in await assignments(client_of(kafka.admin), group)
        ]
        read = {
            Partition(topic.name, number)
            for topic, count in sizes.items()
            if service in topic.readers and topic not in FOLLOWED
            for number in range(count)
        }
        found.append(Group(service, frozenset(read), tuple(members), kafka.cluster.prefix))
    return found


async def workers(sources: Sources) -> int | None:
    """Return how many workers the groups have, None where Kafka does not say."""
    try:
        return sum(len(group.members) for group in await groups(sources))
    except Away:
        return None


async def offsets(sources: Sources) -> list[Lost]:
    """Return the records that were deleted unread."""
    kafka = await sources.kafka()
    prefix, found = kafka.cluster.prefix, []
    for service in SERVICES:
        handled = await lag.committed(kafka.admin, kafka.cluster.group(service))
        kept = {prefix + each.topic.name for each in await copies(sources)}
        handled = {partition: offset for partition, offset in handled.items() if partition.topic in kept}
        first = await kafka.reader.beginning_offsets(list(handled)) if handled else {}
        found += lost(
            service,
            {_partition(prefix, partition): offset for partition, offset in handled.items()},
            {_partition(prefix, partition): offset for partition, offset in first.items()},
        )
    return found


async def lags(sources: Sources) -> list[Lag]:
    """Return what each service has not handled, at two looks."""
    before = await _measured(sources)
    await asyncio.sleep(LOOK_SECONDS)
    now = await _measured(sources)
    return [
        Lag(
            service,
            sum(each.messages for each in before if each.group == service),
            sum(each.messages for each in now if each.group == service),
            _oldest([each for each in now if each.group == service]),
        )
        for service in SERVICES
    ]


async def unreadable(sources: Sources) -> list[Unreadable]:
    """Return the partitions of the oldest records that wait for a minute, if they cannot be read."""
    late = [each for each in await _measured(sources) if each.messages and _age(each) >= CRITICAL_SECONDS]
    tried = sorted(late, key=_age, reverse=True)[:_MOST_READ]
    kafka = await sources.kafka()
    readable = await asyncio.gather(*(_is_readable(kafka.cluster, each) for each in tried))
    return [
        Unreadable(each.group, Partition(each.topic.removeprefix(kafka.cluster.prefix), each.partition), each.offset)
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


async def _measured(sources: Sources) -> list[lag.PartitionLag]:
    kafka = await sources.kafka()
    if not await copies(sources):
        raise Away("topics")
    return await lag.measure(kafka.admin, kafka.reader, kafka.cluster.prefix, SERVICES, datetime.now(UTC))


def _age(waiting: lag.PartitionLag) -> float:
    return inf if waiting.seconds is None else waiting.seconds


def _oldest(lags: list[lag.PartitionLag]) -> float | None:
    ages = [each.seconds for each in lags if each.messages]
    return None if None in ages else max((age for age in ages if age is not None), default=0.0)


async def worker_versions(sources: Sources) -> tuple[str, list[WorkerVersion]]:
    """Return our version, and that of each running worker, by the newest audit chains of its machine."""
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
            found += [WorkerVersion(group.service, machine, each.get("version")) for each in newest]
    return version("servicecert"), found


def _machine(prefix: str, client: str) -> str:
    """Return the host in a worker's client id, which ends in the process's number and four letters."""
    return client.removeprefix(prefix).rsplit("-", 2)[0]


def _partition(prefix: str, partition: TopicPartition) -> Partition:
    return Partition(partition.topic.removeprefix(prefix), partition.partition)
