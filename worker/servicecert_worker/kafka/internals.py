"""All our uses of aiokafka's private API.

`pyproject.toml` pins aiokafka's version (`~=`), and tests/worker/test_internals.py fails if one of these has changed.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.consumer import fetcher
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.protocol import types
from aiokafka.protocol.admin import DescribeAclsRequest, DescribeGroupsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.group import LeaveGroupRequest

from .batches import Batches, Fetched

_LEADER_SECONDS = 1.0

# Whoever opens a consumer, its fetches are read by ours.
fetcher.MemoryRecords = Batches
fetcher.PartitionRecords = Fetched


def client_of(client: AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient) -> AIOKafkaClient:
    """Return the connections of a producer, a consumer or an administrator."""
    return client.client if isinstance(client, AIOKafkaProducer) else client._client


def transports_of(client: AIOKafkaClient) -> list[asyncio.Transport]:
    return [each._writer.transport for each in client._conns.values() if each._writer is not None]


def end(client: AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient) -> None:
    """End at once what a client still does: left alone, its tasks would go on, and open connections again."""
    parts = client_of(client), *(getattr(client, name, None) for name in ("_sender", "_fetcher", "_coordinator"))
    held = [value for part in parts if part is not None for value in vars(part).values()]
    for task in [each for value in held for each in (value if isinstance(value, set) else (value,))]:
        if isinstance(task, asyncio.Task):
            task.cancel()
    for transport in transports_of(client_of(client)):
        transport.abort()


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
    if not isinstance(fetcher._in_flight, _InFlight):
        fetcher._in_flight = _InFlight(fetcher)
        # All else wakes it, too: only for a new leader it has to look.
        fetcher._fetcher_timeout = _LEADER_SECONDS


class _InFlight(set[int]):
    """The brokers that a fetcher waits for. Each that has answered wakes it: it might pass over one of two."""

    def __init__(self, fetcher: Any) -> None:
        super().__init__(fetcher._in_flight)
        self._fetcher = fetcher

    def discard(self, broker: object) -> None:
        super().discard(broker)
        self._fetcher._notify(self._fetcher._wait_consume_future)


def serve_last(consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
    """Let the next poll begin with the fetched records of all other partitions: aiokafka empties one after another."""
    fetched = consumer._fetcher._records
    for partition in partitions:
        if partition in fetched:
            fetched.move_to_end(partition)


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a consumer group: the id that the coordinator gave it, its client's, and what it is to read."""

    id: str
    client_id: str
    assignment: bytes = b""

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """The partitions that it reads. Raises what aiokafka raises if its client assigns in another way."""
        assigned = ConsumerProtocolMemberAssignment.decode(self.assignment).assignment if self.assignment else ()
        return frozenset(TopicPartition(topic, number) for topic, numbers in assigned for number in numbers)


async def group_members(client: AIOKafkaClient, group: str) -> list[GroupMember]:
    """Return a group's members. Raises what aiokafka raises."""
    answer = await ask(client, DescribeGroupsRequest([group]), await _coordinator(client, group))
    ((code, _group, _state, _type, _protocol, members, *_),) = answer.groups
    raise_for(code)
    return [GroupMember(name, client_id, assignment) for name, client_id, _, _, assignment, *_ in members]


async def remove_member(client: AIOKafkaClient, group: str, member: str) -> None:
    """Remove a member from its group, as if it had left. One that is no member any more is no error."""
    answer = await ask(client, LeaveGroupRequest(group, member), await _coordinator(client, group))
    if errors.for_code(answer.error_code) is not errors.UnknownMemberIdError:
        raise_for(answer.error_code)


async def topic_ids(client: AIOKafkaClient, topics: list[str]) -> tuple[str, dict[str, str]]:
    """Return the cluster's id, and the ids of the topics that exist, by name. Raises what aiokafka raises."""
    answer = await _described(client, topics)
    return answer.cluster_id, {topic[1]: str(topic[2]) for topic in answer.topics if topic[0] == 0}


async def partitions_of(client: AIOKafkaClient, topics: list[str]) -> list[TopicPartition]:
    """Return the partitions of the topics that exist. Raises what aiokafka raises."""
    answer = await _described(client, topics)
    if unseen := [
        topic[1] for topic in answer.topics if errors.for_code(topic[0]) is errors.TopicAuthorizationFailedError
    ]:
        raise errors.TopicAuthorizationFailedError(*unseen)
    return [TopicPartition(topic[1], part[1]) for topic in answer.topics if topic[0] == 0 for part in topic[4]]


async def committed_offsets(
    client: AIOKafkaClient, group: str, partitions: Iterable[TopicPartition] | None = None
) -> dict[TopicPartition, int]:
    """Return the offsets that a group has committed, of these partitions or of all. Raises what aiokafka raises."""
    asked: dict[str, list[int]] = {}
    for each in partitions or ():
        asked.setdefault(each.topic, []).append(each.partition)
    request = OffsetFetchRequest(group, None if partitions is None else list(asked.items()))
    answer = await ask(client, request, await _coordinator(client, group))
    raise_for(answer.error_code)
    found: dict[TopicPartition, int] = {}
    for topic, parts in answer.topics:
        for partition, offset, _metadata, error in parts:
            raise_for(error)
            if offset >= 0:
                found[TopicPartition(topic, partition)] = offset
    return found


async def authorized_operations(client: AIOKafkaClient, topics: list[str]) -> dict[str, int]:
    """Return what this client may do with topics that exist, a bit for each of Kafka's operations.

    Raises what aiokafka raises.
    """
    found: dict[str, int] = {}
    for code, name, _, _, _, operations, _ in (await _described(client, topics)).topics:
        if errors.for_code(code) is errors.TopicAuthorizationFailedError:
            found[name] = 0
        elif errors.for_code(code) is not errors.UnknownTopicOrPartitionError:
            raise_for(code)
            found[name] = operations
    return found


async def may_describe_group(client: AIOKafkaClient, group: str) -> bool:
    """Return whether this client may see a group. Raises what aiokafka raises."""
    try:
        await _coordinator(client, group)
    except errors.GroupAuthorizationFailedError:
        return False
    except errors.GroupCoordinatorNotAvailableError:
        pass
    return True


async def list_acls(client: AIOKafkaClient) -> set[tuple[int, str, int, str, str, int, int]]:
    """Return all rights: resource, name, pattern, principal, host, operation and permission, by Kafka's numbers.

    Raises what aiokafka raises.
    """
    answer = await ask(client, DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
    raise_for(answer.error_code)
    return {(kind, name, pattern, *acl) for kind, name, pattern, acls in answer.resources for acl in acls}


async def may_list_acls(client: AIOKafkaClient) -> bool:
    """Return whether this client sees who has which rights, as those who may change them do.

    It also does at a broker that checks no rights at all. Raises what aiokafka raises.
    """
    try:
        await list_acls(client)
    except errors.ClusterAuthorizationFailedError:
        return False
    except errors.SecurityDisabled:
        pass
    return True


_ANY = 1
"""In a filter: of every type, operation and permission."""


async def _coordinator(client: AIOKafkaClient, group: str) -> int:
    _any(client)
    broker: int = await client.coordinator_lookup(CoordinationType.GROUP, group)
    return broker


def _any(client: AIOKafkaClient) -> int:
    """Return a broker that the client knows. Raises NoBrokersAvailable; aiokafka ends by an assertion there."""
    broker: int | None = client.get_random_node()
    if broker is None:
        raise errors.NoBrokersAvailable
    return broker


async def ask(client: AIOKafkaClient, request: Request[Any], broker: int | None = None) -> Any:
    """Return the answer of a broker, or of any. Raises what aiokafka raises."""
    return await client.send(_any(client) if broker is None else broker, request)


def raise_for(code: int) -> None:
    """Raise aiokafka's error for a code other than 0."""
    if code:
        raise errors.for_code(code)


class Asked(Request[RequestStruct]):
    """A request in the one version that `struct` is."""

    API_KEY = -1

    def __init__(self, struct: type[RequestStruct], *fields: Any) -> None:
        self.API_KEY, self._CLASSES, self._fields = struct.API_KEY, (struct,), fields

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        return request_struct_class(*self._fields)


Fields = Sequence[tuple[str, types.AbstractType[Any]]]


def message(key: int, version: int, request: Fields, response: Fields) -> Callable[..., Request[Any]]:
    """Return what makes a request that aiokafka lacks of its fields, in a flexible version (KIP-482).

    The fields are those of the protocol's message definition.
    """
    place = {"API_KEY": key, "API_VERSION": version}
    answer = type("Answer", (Response,), {**place, "SCHEMA": types.Schema(*response, _TAGS)})
    form = {"FLEXIBLE_VERSION": True, "RESPONSE_TYPE": answer, "SCHEMA": types.Schema(*request, _TAGS)}
    question = type("Question", (RequestStruct,), {**place, **form})
    return lambda *fields: Asked(question, *fields, NO_TAGS)


def many(*fields: tuple[str, types.AbstractType[Any]]) -> types.CompactArray:
    return types.CompactArray(*fields, _TAGS)


TEXT = types.CompactString("utf-8")
NO_TAGS: dict[int, bytes] = {}
_TAGS = ("tags", types.TaggedFields)


class Uuid(types.AbstractType[UUID]):
    """Sixteen octets."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


# The first version with topic ids, and newer than aiokafka's: a topic that is deleted and created again has another id
# (KIP-516). No topic is created by it, and it says what the asking principal may do with each.
_TOPICS = message(
    3,
    12,
    [
        ("topics", many(("topic_id", Uuid), ("name", TEXT))),
        ("allow_auto_topic_creation", types.Boolean),
        ("include_topic_authorized_operations", types.Boolean),
    ],
    [
        ("throttle_time_ms", types.Int32),
        ("brokers", many(("node_id", types.Int32), ("host", TEXT), ("port", types.Int32), ("rack", TEXT))),
        ("cluster_id", TEXT),
        ("controller_id", types.Int32),
        (
            "topics",
            many(
                ("error_code", types.Int16),
                ("topic", TEXT),
                ("topic_id", Uuid),
                ("is_internal", types.Boolean),
                (
                    "partitions",
                    many(
                        ("error_code", types.Int16),
                        ("partition", types.Int32),
                        ("leader", types.Int32),
                        ("leader_epoch", types.Int32),
                        ("replicas", types.CompactArray(types.Int32)),
                        ("isr", types.CompactArray(types.Int32)),
                        ("offline_replicas", types.CompactArray(types.Int32)),
                    ),
                ),
                ("topic_authorized_operations", types.Int32),
            ),
        ),
    ],
)


async def _described(client: AIOKafkaClient, topics: Iterable[str]) -> Any:
    return await ask(client, _TOPICS([(UUID(int=0), name, NO_TAGS) for name in topics], False, True))
