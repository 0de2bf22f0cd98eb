"""What the brokers say of themselves, of the topics and of rights."""

import asyncio
import os
from datetime import UTC, datetime
from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ClusterAuthorizationFailedError, SecurityDisabled, for_code
from servicecert_schemas.principals import Principal
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.core import broker_rights
from servicecert_worker.kafka.internals import client_of, list_acls
from servicecert_worker.kafka.rights import found

from ....admin.internals import controller_clock, metadata_level
from ....admin.rights import ALLOW, PREFIXED, RESOURCES
from ..domain import kafka as judged
from ..domain import topics
from ..domain.database import check_clock
from ..domain.kafka import Allowed, BrokerRights, Brokers, compared
from ..domain.topics import TopicCopy
from ..sources import Away, Look, Skip, Sources, kafka_reached, shared

_RESOURCES = {number: resource for resource, number in RESOURCES.items()}
_OPERATIONS = dict(enumerate(("All", *broker_rights.OPERATIONS), 2))


async def levels(sources: Sources) -> dict[int, int | None]:
    """Return the newest metadata level of each broker that answers."""
    kafka = await sources.kafka()
    brokers = sorted(await _alive(sources))
    return dict(
        zip(
            brokers,
            await asyncio.gather(*(metadata_level(client_of(kafka.admin), each) for each in brokers)),
            strict=True,
        )
    )


async def brokers(sources: Sources) -> Brokers:
    """Return the brokers that answer and those that should."""
    kafka = await sources.kafka()
    described = await _described(sources)
    leaderless = [
        f"{topic['topic'].removeprefix(kafka.cluster.prefix)}/{part['partition']}"
        for topic in described
        for part in topic["partitions"]
        if part["leader"] < 0
    ]
    named = {node for topic in described for part in topic["partitions"] for node in part["replicas"]}
    return Brokers(await _alive(sources), frozenset(named), tuple(leaderless))


async def clock(sources: Sources) -> tuple[datetime, datetime, datetime]:
    """Return the controller's clock, between two readings of this machine's. Raises Skip."""
    kafka = await sources.kafka()
    before = datetime.now(UTC)
    try:
        there = await controller_clock(client_of(kafka.admin))
    except ClusterAuthorizationFailedError:
        raise Skip(
            "Kafka does not tell this user.", "Only a user that may describe the cluster can ask, as an administrator."
        ) from None
    return before, there, datetime.now(UTC)


async def rights(sources: Sources) -> BrokerRights:
    """Return how the rights differ from the catalogue's: all users' if we may see them, else our own."""
    kafka = await sources.kafka()
    client, prefix = client_of(kafka.admin), kafka.cluster.prefix
    try:
        acls = await list_acls(client)
    except SecurityDisabled:
        return BrokerRights("All users", has_authorizer=False)
    except ClusterAuthorizationFailedError:
        name = kafka.cluster.access.sasl_username or os.environ.get("USER", "")
        ours = next((each for each in Principal if each == name), Principal.OPERATOR)
        answers = await found(client, kafka.cluster)
        return BrokerRights(
            str(ours),
            tuple(broker_rights.surplus(ours, prefix, answers)),
            tuple(broker_rights.missing(ours, prefix, answers)),
        )
    allowed = [
        Allowed(user, _RESOURCES[kind], name, _OPERATIONS.get(operation, str(operation)), pattern == PREFIXED)
        for kind, name, pattern, user, _, operation, permission in acls
        if kind in _RESOURCES and permission == ALLOW
    ]
    return compared(allowed, prefix, [kafka.cluster.name(topic) for topic in CATALOGUE])


@shared
async def copies(sources: Sources) -> list[TopicCopy]:
    """Return the topics of the catalogue that exist."""
    kafka = await sources.kafka()
    names = {kafka.cluster.name(topic): topic for topic in CATALOGUE}
    described = await _described(sources)
    resources = [ConfigResource(ConfigResourceType.TOPIC, each["topic"]) for each in described]
    settings = {}
    for answer in await kafka.admin.describe_configs(resources) if resources else []:
        for code, _, _, name, entries in answer.resources:
            if code:
                raise for_code(code)
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


async def present_copies(sources: Sources) -> list[TopicCopy]:
    """Return the same. Raises Away where no topic exists."""
    if found := await copies(sources):
        return found
    raise Away("Topics")


@shared
async def _described(sources: Sources) -> list[dict[str, Any]]:
    kafka = await sources.kafka()
    described = await kafka.admin.describe_topics([kafka.cluster.name(topic) for topic in CATALOGUE])
    return [each for each in described if each["error_code"] == 0]


@shared
async def _alive(sources: Sources) -> frozenset[int]:
    kafka = await sources.kafka()
    return frozenset(each["node_id"] for each in (await kafka.admin.describe_cluster())["brokers"])


LOOKS = {
    "KafkaDown": Look(kafka_reached, judged.check_reached),
    "BrokerVersion": Look(levels, judged.check_broker_versions),
    "Brokers": Look(brokers, judged.check_brokers),
    "BrokerClock": Look(clock, check_clock),
    "BrokerRights": Look(rights, judged.check_broker_rights),
    "Topics": Look(copies, topics.check_topics),
    "Partitions": Look(present_copies, topics.check_partitions),
    "TopicSettings": Look(present_copies, topics.check_topic_settings),
    "Replication": Look(present_copies, topics.check_replication),
    "MinInSync": Look(present_copies, topics.check_min_in_sync),
}
