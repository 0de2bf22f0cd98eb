"""Requests to brokers that aiokafka does not have, for their administrator.

Field by field from the protocol's message definitions: CreateAcls 1 (aiokafka's own creates one right),
AlterClientQuotas 1 (KIP-546), AlterUserScramCredentials 0 (KIP-554).
"""

from collections.abc import Iterable, Mapping, Sequence

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest_v1
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import Boolean, CompactBytes, Float64, Int8, Int16, Int32
from servicecert_worker.kafka.internals import NO_TAGS, TEXT, Asked, ask, many, message, raise_for

_ENTITY = ("entity", many(("entity_type", TEXT), ("entity_name", TEXT)))
_QUOTAS = message(
    49,
    1,
    [
        ("entries", many(_ENTITY, ("ops", many(("key", TEXT), ("value", Float64), ("remove", Boolean))))),
        ("validate_only", Boolean),
    ],
    [("throttle_time_ms", Int32), ("entries", many(("error_code", Int16), ("error_message", TEXT), _ENTITY))],
)

_PASSWORDS = message(
    51,
    0,
    [
        ("deletions", many(("name", TEXT), ("mechanism", Int8))),
        (
            "upsertions",
            many(
                ("name", TEXT),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
            ),
        ),
    ],
    [("throttle_time_ms", Int32), ("results", many(("user", TEXT), ("error_code", Int16), ("error_message", TEXT)))],
)


async def create_acls(client: AIOKafkaClient, acls: list[tuple[int, str, int, str, str, int, int]]) -> None:
    """Create rights, as `list_acls` returns them; those that are there stay. Raises what aiokafka raises."""
    for code, *_ in (await ask(client, Asked(CreateAclsRequest_v1, acls))).creation_responses:
        raise_for(code)


async def set_scram_credentials(client: AIOKafkaClient, users: Iterable[tuple[str, int, int, bytes, bytes]]) -> None:
    """Set users' passwords: name, mechanism, iterations, salt and salted password. Raises what aiokafka raises."""
    for _, code, *_ in (await ask(client, _PASSWORDS([], [(*user, NO_TAGS) for user in users]))).results:
        raise_for(code)


async def set_producer_byte_rates(client: AIOKafkaClient, rates: Mapping[str, int]) -> None:
    """Set how many octets a second each user may write to each broker. Raises what aiokafka raises."""
    entries = [
        ([("user", name, NO_TAGS)], [("producer_byte_rate", float(rate), False, NO_TAGS)], NO_TAGS)
        for name, rate in rates.items()
    ]
    for code, *_ in (await ask(client, _QUOTAS(entries, False))).entries:
        raise_for(code)


async def leaders_by_broker(client: AIOKafkaClient, brokers: Iterable[int], topics: Sequence[str]) -> list[list[int]]:
    """Return the leader of each partition as each broker knows it, a list for each broker and topic; -1 for none."""
    answers = [await ask(client, MetadataRequest(list(topics)), broker) for broker in brokers]
    described = [topic["partitions"] for answer in answers for topic in answer.to_object()["topics"]]
    return [[part["leader"] for part in found] for found in described]
