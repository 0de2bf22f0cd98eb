"""Compares what a broker lets a principal do with what the catalogue gives it (F4)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from servicecert_schemas.broker import Principal

from .broker_acls import AclOperation, AclResource, acls

OPERATIONS = (
    "Read",
    "Write",
    "Create",
    "Delete",
    "Alter",
    "Describe",
    "ClusterAction",
    "DescribeConfigs",
    "AlterConfigs",
    "IdempotentWrite",
)
_FIRST_BIT = 3
_IMPLYING_DESCRIBE = {AclOperation.READ, AclOperation.WRITE}
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Found:
    """The broker's answers: operations on each topic that exists, groups that may be seen, and whether ACLs may be."""

    topics: Mapping[str, Collection[str]]
    groups: Collection[str]
    sees_acls: bool


def named(bits: int) -> frozenset[str]:
    """Return the operations of a broker's bit field, by Kafka's names. A negative field means that none was sent."""
    return frozenset(name for at, name in enumerate(OPERATIONS, _FIRST_BIT) if bits > 0 and bits >> at & 1)


def number_of(operation: str) -> int:
    """Return Kafka's number of an operation."""
    return OPERATIONS.index(operation) + _FIRST_BIT


def surplus(principal: Principal, prefix: str, found: Found) -> list[str]:
    """Return what the broker allows beyond the principal's rights, one phrase each."""
    allowed = _allowed(principal, prefix)
    topics = [
        f"{operation} on {topic}"
        for topic, operations in sorted(found.topics.items())
        for operation in _without_implied(set(operations) - allowed.get((AclResource.TOPIC, topic), set()))
    ]
    groups = [
        f"Describe on the group {group}" for group in sorted(found.groups) if (AclResource.GROUP, group) not in allowed
    ]
    return [*topics, *groups, *(["Describe on the cluster"] if found.sees_acls else [])]


def missing(principal: Principal, prefix: str, found: Found) -> list[str]:
    """Return what the principal needs on topics that exist and the broker does not allow, one phrase each."""
    needed = (acl for acl in sorted(acls(prefix=prefix)[principal]) if acl.resource is AclResource.TOPIC)
    # Of a topic that does not exist somebody else says so.
    return [
        f"{acl.operation} on {acl.name}"
        for acl in needed
        if acl.operation not in found.topics.get(acl.name, {acl.operation})
    ]


def shown(phrases: list[str]) -> str:
    """Return the first phrases, and how many more there are."""
    more = len(phrases) - _MOST_NAMED
    return ", ".join(phrases[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _without_implied(operations: set[str]) -> list[str]:
    """Return the operations in order, without Describe where another one says more."""
    return sorted(operations - {AclOperation.DESCRIBE} or operations)


def _allowed(principal: Principal, prefix: str) -> Mapping[tuple[AclResource, str], set[str]]:
    allowed: dict[tuple[AclResource, str], set[str]] = {}
    for acl in acls(prefix=prefix)[principal]:
        operations = allowed.setdefault((acl.resource, acl.name), set())
        operations.add(acl.operation)
        if acl.operation in _IMPLYING_DESCRIBE:
            operations.add(AclOperation.DESCRIBE)
    return allowed
