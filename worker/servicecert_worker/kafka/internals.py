"""All our uses of aiokafka's private API.

`pyproject.toml` pins aiokafka's version (`~=`), and tests/worker/test_internals.py fails if one of these has changed.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.consumer import fetcher
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    SecurityDisabled,
    TopicAuthorizationFailedError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import CreateAclsRequest_v1, DescribeAclsRequest, DescribeGroupsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    AbstractType,
    Array,
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Float64,
    Int8,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)

from .batches import Batches, Fetched

# Whoever opens a consumer, its fetches are read by ours.
fetcher.MemoryRecords = Batches
fetcher.PartitionRecords = Fetched


def client_of(client: AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient) -> AIOKafkaClient:
    """Return the connections of a producer, a consumer or an administrator."""
    return client.client if isinstance(client, AIOKafkaProducer) else client._client


def transports_of(client: AIOKafkaClient) -> list[asyncio.Transport]:
    """Return the open connections."""
    return [each._writer.transport for each in client._conns.values() if each._writer is not None]


def is_broken(consumer: AIOKafkaConsumer) -> bool:
    """Return whether a consumer will never fetch again: its fetch, metadata or group task has ended."""
    try:
        consumer._coordinator.check_errors()
    except (Exception, asyncio.CancelledError):
        return True
    metadata_task = consumer._client._sync_task
    return bool(consumer._fetcher.error_future.done() or metadata_task is None or metadata_task.done())


def position_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """Return the offset to fetch next, without asking the broker; None if it is not known yet."""
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    state = None if assignment is None or partition not in assignment.tps else assignment.state_value(partition)
    return state.position if state is not None and state.has_valid_position else None


def set_fetch_wait(consumer: AIOKafkaConsumer, seconds: float | None, some_bytes: int = 1) -> None:
    """Let the next fetches wait at the broker so long, or as configured, until there are `some_bytes`."""
    fetcher = consumer._fetcher
    fetcher._fetch_max_wait_ms = consumer._fetch_max_wait_ms if seconds is None else int(seconds * 1000)
    fetcher._fetch_min_bytes = some_bytes


def serve_last(consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
    """Let the next poll begin with the fetched records of all other partitions: aiokafka empties one after another."""
    fetched = consumer._fetcher._records
    for partition in partitions:
        if partition in fetched:
            fetched.move_to_end(partition)


def assigned_to(member: bytes) -> set[TopicPartition]:
    """Return the partitions of a group member, from the coordinator's description of it."""
    if not member:
        return set()
    assignment = ConsumerProtocolMemberAssignment.decode(member).assignment
    return {TopicPartition(topic, partition) for topic, partitions in assignment for partition in partitions}


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a consumer group: the id that the coordinator gave it, and its client's."""

    id: str
    client_id: str


async def group_members(client: AIOKafkaClient, group: str) -> list[GroupMember]:
    """Return a group's members. Raises what aiokafka raises."""
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
    answer: Any = await client.send(coordinator, DescribeGroupsRequest([group]))
    ((error, _group, _state, _type, _protocol, members, *_),) = answer.groups
    _raise_for(error)
    return [GroupMember(member[0], member[1]) for member in members]


async def remove_member(client: AIOKafkaClient, group: str, member: str) -> None:
    """Remove a member from its group, as if it had left. One that is no member any more is no error."""
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
    answer: Any = await client.send(coordinator, LeaveGroupRequest(group, member))
    if for_code(answer.error_code) is not UnknownMemberIdError:
        _raise_for(answer.error_code)


def _raise_for(code: int) -> None:
    if code:
        raise for_code(code)


async def topic_ids(client: AIOKafkaClient, topics: list[str]) -> tuple[str, dict[str, str]]:
    """Return the cluster's id, and the ids of the topics that exist, by name. Raises what aiokafka raises."""
    answer: Any = await client.send(client.get_random_node(), TopicIdsRequest(topics))
    return answer.cluster_id, {topic[1]: str(topic[2]) for topic in answer.topics if topic[0] == 0}


async def partitions_of(client: AIOKafkaClient, topics: list[str]) -> list[TopicPartition]:
    """Return the partitions of the topics that exist. Raises what aiokafka raises."""
    answer: Any = await client.send(client.get_random_node(), TopicIdsRequest(topics))
    return [TopicPartition(topic[1], part[1]) for topic in answer.topics if topic[0] == 0 for part in topic[4]]


async def leaders_by_broker(client: AIOKafkaClient, brokers: Iterable[int], topics: Sequence[str]) -> list[list[int]]:
    """Return the leader of each partition as each broker knows it, a list for each broker and topic; -1 for none."""
    answers: list[Any] = [await client.send(broker, MetadataRequest(list(topics))) for broker in brokers]
    described = [topic["partitions"] for answer in answers for topic in answer.to_object()["topics"]]
    return [[part["leader"] for part in found] for found in described]


async def committed_offsets(
    client: AIOKafkaClient, group: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the offsets that a group has committed of these partitions. Raises what aiokafka raises."""
    asked: dict[str, list[int]] = {}
    for each in partitions:
        asked.setdefault(each.topic, []).append(each.partition)
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
    answer: Any = await client.send(coordinator, OffsetFetchRequest(group, list(asked.items())))
    _raise_for(answer.error_code)
    found: dict[TopicPartition, int] = {}
    for topic, parts in answer.topics:
        for partition, offset, _metadata, error in parts:
            _raise_for(error)
            if offset >= 0:
                found[TopicPartition(topic, partition)] = offset
    return found


# Kafka's metadata request, version 12: the first with topic ids, and newer than aiokafka's. Field by field from the
# protocol's message definition (KIP-516, KIP-482). A topic that is deleted and created again has another id.


class Uuid(AbstractType[UUID]):
    """Sixteen octets."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class MetadataResponse_v12(Response):  # noqa: N801  -- named as aiokafka names its own
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class MetadataRequest_v12(RequestStruct):  # noqa: N801  -- named as aiokafka names its own
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = MetadataResponse_v12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid),
                ("name", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicIdsRequest(Request[MetadataRequest_v12]):
    """Asks for topics by name, with what the asking principal may do with them, without creating them."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[MetadataRequest_v12]) -> MetadataRequest_v12:
        return request_struct_class([(UUID(int=0), name, {}) for name in self._topics], False, True, {})


# What the broker's administrator needs and aiokafka's admin client lacks: rights, users with passwords (KIP-554), and
# their quotas (KIP-546).

_ANY = 1
"""In a filter: of every type, operation and permission."""


class CreateAllAcls(Request[CreateAclsRequest_v1]):
    """Creates many rights; aiokafka's own request creates one."""

    API_KEY = 30

    def __init__(self, acls: list[tuple[int, str, int, str, str, int, int]]) -> None:
        self._acls = acls

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(self._acls)


class AlterUserScramCredentialsResponse_v0(Response):  # noqa: N801  -- named as aiokafka names its own
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterUserScramCredentialsRequest_v0(RequestStruct):  # noqa: N801
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = AlterUserScramCredentialsResponse_v0
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class SetPasswords(Request[AlterUserScramCredentialsRequest_v0]):
    """Gives users their passwords for SCRAM-SHA-512."""

    API_KEY = 51

    def __init__(self, users: list[tuple[str, int, int, bytes, bytes, dict[int, bytes]]]) -> None:
        self._users = users

    def build(self, request_struct_class: type[AlterUserScramCredentialsRequest_v0]) -> Any:
        return request_struct_class([], self._users, {})


_ENTITY = Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))


class AlterClientQuotasResponse_v0(Response):  # noqa: N801  -- named as aiokafka names its own
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", String("utf-8")), ("entity", _ENTITY))),
    )


class AlterClientQuotasRequest_v0(RequestStruct):  # noqa: N801
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = AlterClientQuotasResponse_v0
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", _ENTITY),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class SetProducerByteRates(Request[AlterClientQuotasRequest_v0]):
    """Bounds how many octets a second each user may write to each broker."""

    API_KEY = 49

    def __init__(self, rates: Mapping[str, int]) -> None:
        self._rates = rates

    def build(self, request_struct_class: type[AlterClientQuotasRequest_v0]) -> AlterClientQuotasRequest_v0:
        entries = [
            ([("user", name)], [("producer_byte_rate", float(rate), False)]) for name, rate in self._rates.items()
        ]
        return request_struct_class(entries, False)


async def create_acls(client: AIOKafkaClient, acls: list[tuple[int, str, int, str, str, int, int]]) -> None:
    """Create rights; those that are there stay. Raises what aiokafka raises."""
    answer: Any = await client.send(client.get_random_node(), CreateAllAcls(acls))
    for code, *_ in answer.creation_responses:
        _raise_for(code)


async def set_scram_credentials(
    client: AIOKafkaClient, users: Iterable[tuple[str, int, bytes, bytes]], mechanism: int
) -> None:
    """Set each user's iterations, salt and salted password. Raises what aiokafka raises."""
    request = SetPasswords([(name, mechanism, rounds, salt, salted, {}) for name, rounds, salt, salted in users])
    answer: Any = await client.send(client.get_random_node(), request)
    for _, code, *_ in answer.results:
        _raise_for(code)


async def set_producer_byte_rates(client: AIOKafkaClient, rates: Mapping[str, int]) -> None:
    """Set the users' quotas, in octets a second. Raises what aiokafka raises."""
    answer: Any = await client.send(client.get_random_node(), SetProducerByteRates(rates))
    for code, *_ in answer.entries:
        _raise_for(code)


async def authorized_operations(client: AIOKafkaClient, topics: list[str]) -> dict[str, int]:
    """Return what this client may do with topics that exist, a bit for each of Kafka's operations.

    Raises what aiokafka raises.
    """
    answer: Any = await client.send(client.get_random_node(), TopicIdsRequest(topics))
    found: dict[str, int] = {}
    for code, name, _, _, _, operations, _ in answer.topics:
        if for_code(code) is TopicAuthorizationFailedError:
            found[name] = 0
        elif for_code(code) is not UnknownTopicOrPartitionError:
            _raise_for(code)
            found[name] = operations
    return found


async def may_describe_group(client: AIOKafkaClient, group: str) -> bool:
    """Return whether this client may see a group. Raises what aiokafka raises."""
    try:
        await client.coordinator_lookup(CoordinationType.GROUP, group)
    except GroupAuthorizationFailedError:
        return False
    except GroupCoordinatorNotAvailableError:
        pass
    return True


async def list_acls(client: AIOKafkaClient) -> set[tuple[int, str, int, str, str, int, int]]:
    """Return all rights, as `create_acls` takes them. Raises what aiokafka raises."""
    every = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
    answer: Any = await client.send(client.get_random_node(), every)
    _raise_for(answer.error_code)
    return {(kind, name, pattern, *acl) for kind, name, pattern, acls in answer.resources for acl in acls}


async def may_list_acls(client: AIOKafkaClient) -> bool:
    """Return whether this client sees who has which rights, as those who may change them do.

    It also does at a broker that checks no rights at all. Raises what aiokafka raises.
    """
    try:
        await list_acls(client)
    except ClusterAuthorizationFailedError:
        return False
    except SecurityDisabled:
        pass
    return True
