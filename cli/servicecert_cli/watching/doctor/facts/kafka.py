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
from ..domain.check import warning
from ..domain.database import check_clock
from ..domain.kafka import Allowed, BrokerRights, Brokers, compared
from ..domain.topics import TopicCopy
from ..sources import Look, Sources, Stopped, kafka_reached, shared, skip

_RESOURCES = {number: resource for resource, number in RESOURCES.items()}
_OPERATIONS = dict(enumerate(("All", *broker_rights.OPERATIONS), 2))


async def levels(sources: Sources) -> dict[int, int | None]:
    """Return the newest metadata level of each broker that answers."""
    client = client_of((await sources.kafka()).admin)
    brokers = sorted(await _alive(sources))
    found = await asyncio.gather(*(metadata_level(client, each) for each in brokers))
    return dict(zip(brokers, found, strict=True))


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
    """Return the controller's clock, between two readings of this machine's, where Kafka tells it."""
    kafka = await sources.kafka()
    before = datetime.now(UTC)
    try:
        there = await controller_clock(client_of(kafka.admin))
    except ClusterAuthorizationFailedError:
        remedy = "Only a user that may describe the cluster can ask, as an administrator."
        raise skip("Kafka does not tell this user.", remedy) from None
    return before, there, datetime.now(UTC)


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
        surplus, missing = (of(ours, prefix, answers) for of in (broker_rights.surplus, broker_rights.missing))
        return BrokerRights(str(ours), surplus, missing)
    allowed = [
        Allowed(user, _RESOURCES[kind], name, _OPERATIONS.get(operation, str(operation)), pattern == PREFIXED)
        for kind, name, pattern, user, _, operation, permission in acls
        if kind in _RESOURCES and permission == ALLOW
    ]
    return compared(allowed, prefix, [kafka.cluster.name(topic) for topic in CATALOGUE])


@shared
async def copies(sources: Sources) -> list[TopicCopy]:
    """Return the topics of the catalogue that exist. Raises Stopped where there is none."""
    kafka = await sources.kafka()
    names = {kafka.cluster.name(topic): topic for topic in CATALOGUE}
    if not (described := await _described(sources)):
        raise Stopped(topics.check_topics([]), "Topics")
    resources = [ConfigResource(ConfigResourceType.TOPIC, each["topic"]) for each in described]
    settings = {}
    for answer in await kafka.admin.describe_configs(resources):
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
    "Partitions": Look(copies, topics.check_partitions),
    "TopicSettings": Look(copies, topics.check_topic_settings),
    "Replication": Look(copies, topics.check_replication),
    "MinInSync": Look(copies, topics.check_min_in_sync),
}
