"""Requests to brokers that aiokafka does not have: its own uses of aiokafka's private API, for the doctor alone.

Field by field from the protocol's message definitions: ApiVersions 3 (KIP-511, KIP-584), DescribeQuorum 1 (KIP-595,
KIP-836).
"""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from servicecert_worker.kafka.internals import assigned_to

METADATA_VERSION = "metadata.version"
_SUPPORTED_FEATURES = 0
_FEATURES = CompactArray(("name", CompactString("utf-8")), ("min", Int16), ("max", Int16), ("tags", TaggedFields))


class ApiVersionsResponse_v3(Response):  # noqa: N801  -- named as aiokafka names its own
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        ("api_keys", CompactArray(("api_key", Int16), ("min", Int16), ("max", Int16), ("tags", TaggedFields))),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class ApiVersionsRequest_v3(RequestStruct):  # noqa: N801
    FLEXIBLE_VERSION = True
    API_KEY = 18
    API_VERSION = 3
    RESPONSE_TYPE = ApiVersionsResponse_v3
    SCHEMA = Schema(
        ("client_software_name", CompactString("utf-8")),
        ("client_software_version", CompactString("utf-8")),
        ("tags", TaggedFields),
    )

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        # This response alone has the old header, so that every client can read it.
        return ResponseHeader_v0.decode(read_buffer)


class Features(Request[ApiVersionsRequest_v3]):
    """Asks a broker for the features that it supports."""

    API_KEY = 18

    def build(self, request_struct_class: type[ApiVersionsRequest_v3]) -> Any:
        return request_struct_class("servicecert-doctor", "1", {})


_REPLICAS = CompactArray(
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_timestamp", Int64),
    ("last_caught_up_timestamp", Int64),
    ("tags", TaggedFields),
)


class DescribeQuorumResponse_v1(Response):  # noqa: N801
    API_KEY = 55
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeQuorumRequest_v1(RequestStruct):  # noqa: N801
    FLEXIBLE_VERSION = True
    API_KEY = 55
    API_VERSION = 1
    RESPONSE_TYPE = DescribeQuorumResponse_v1
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(("partition", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeQuorum(Request[DescribeQuorumRequest_v1]):
    """Asks for the controllers; the leader's entry has its own clock at the moment of the answer."""

    API_KEY = 55

    def build(self, request_struct_class: type[DescribeQuorumRequest_v1]) -> Any:
        return request_struct_class([("__cluster_metadata", [(0, {})], {})], {})


async def metadata_level(client: AIOKafkaClient, broker: int) -> int | None:
    """Return the newest level of the cluster's metadata that a broker supports, None if it says none.

    Raises what aiokafka raises.
    """
    answer: Any = await client.send(broker, Features())
    encoded = answer.tags.get(_SUPPORTED_FEATURES)
    features = [] if encoded is None else _FEATURES.decode(BytesIO(encoded))
    return next((most for name, _, most, _ in features if name == METADATA_VERSION), None)


async def controller_clock(client: AIOKafkaClient) -> datetime:
    """Return the clock of the leading controller. Raises what aiokafka raises."""
    answer: Any = await client.send(client.get_random_node(), DescribeQuorum())
    _raise_for(answer.error_code)
    ((_, partitions, _),) = answer.topics
    ((_, code, leader, _, _, voters, _, _),) = partitions
    _raise_for(code)
    milliseconds = next(caught_up for replica, _, _, caught_up, _ in voters if replica == leader)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


async def assignments(client: AIOKafkaClient, group: str) -> list[tuple[str, set[TopicPartition]]]:
    """Return the client id of each member of a group, and the partitions that it reads. Raises what aiokafka raises."""
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
    answer: Any = await client.send(coordinator, DescribeGroupsRequest([group]))
    ((code, _, _, _, _, members, *_),) = answer.groups
    _raise_for(code)
    return [(client_id, assigned_to(assigned)) for _, client_id, _, _, assigned, *_ in members]


def _raise_for(code: int) -> None:
    if code:
        raise for_code(code)
