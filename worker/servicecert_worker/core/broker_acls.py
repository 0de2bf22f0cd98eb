"""Who may do what with which topic and group: the broker's access control lists, from the catalogue (F4).

And how what a broker lets a principal do differs from that.

Kafka's Read and Write imply Describe, and Write on a topic implies the right to write idempotently; so neither is
listed. No principal may alter or delete anything: who creates topics cannot change them, and the lists themselves are
written by the broker's own administrator.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, CERTIFICATE_STANDINGS, FOLLOWED, SERVICES, Topic


class AclResource(StrEnum):
    """What a right is about."""

    TOPIC = "topic"
    GROUP = "group"


class AclOperation(StrEnum):
    """What a broker can allow, by Kafka's names and in their order."""

    ALL = "All"
    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DELETE = "Delete"
    ALTER = "Alter"
    DESCRIBE = "Describe"
    CLUSTER_ACTION = "ClusterAction"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    ALTER_CONFIGS = "AlterConfigs"
    IDEMPOTENT_WRITE = "IdempotentWrite"


OPERATIONS = dict(enumerate(AclOperation, 2))
"""The operations by Kafka's numbers."""


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """A right of one principal. `prefixed`: on everything whose name begins with `name`."""

    resource: AclResource
    name: str
    operation: AclOperation
    prefixed: bool = False


def acls(prefix: str = "") -> Mapping[Principal, frozenset[Acl]]:
    """Return the exact rights of each principal; `prefix` is before the name of every topic and group."""

    def of(principal: Principal) -> frozenset[Acl]:
        on_topics = (
            Acl(AclResource.TOPIC, prefix + topic.name, operation)
            for topic in CATALOGUE
            for operation in _on_topic(principal, topic)
        )
        return frozenset((*on_topics, *_on_groups(principal, prefix)))

    return {principal: of(principal) for principal in Principal}


def _on_topic(principal: Principal, topic: Topic) -> set[AclOperation]:
    operations = {AclOperation.WRITE} if principal in topic.writers else set()
    if principal in topic.readers:
        operations.add(AclOperation.READ)
    match principal:
        case Principal.REGISTERS_LOADER if principal in topic.writers:
            # What changes is found by comparison with what is there.
            operations.add(AclOperation.READ)
        case _ if principal in SERVICES and principal in topic.writers:
            # Its database is compared with it: by each worker (kafka/fence.py), and by `servicecert republish`.
            operations.add(AclOperation.READ)
        case Principal.OPERATOR:
            # The age of what a service has not handled is that of a record.
            if topic == CERTIFICATE_STANDINGS or _has_lag(topic):
                operations.add(AclOperation.READ)
            operations |= {AclOperation.DESCRIBE_CONFIGS} if AclOperation.READ in operations else _SEEN
        case Principal.MONITORING:
            operations |= _SEEN
        case Principal.TOPICS_CREATOR:
            operations |= {AclOperation.CREATE, AclOperation.DESCRIBE}
    return operations


_SEEN = {AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS}


def _has_lag(topic: Topic) -> bool:
    return topic not in FOLLOWED and any(service in topic.readers for service in SERVICES)


def _on_groups(principal: Principal, prefix: str) -> Iterable[Acl]:
    if principal in SERVICES:
        return [Acl(AclResource.GROUP, prefix + principal, AclOperation.READ)]
    if principal is Principal.E_SERVICE:
        # It names its groups itself: each begins with its name.
        return [Acl(AclResource.GROUP, prefix + principal, AclOperation.READ, prefixed=True)]
    if principal in (Principal.OPERATOR, Principal.MONITORING):
        return [Acl(AclResource.GROUP, prefix + service, AclOperation.DESCRIBE) for service in SERVICES]
    return []


IMPLYING_DESCRIBE = {AclOperation.READ, AclOperation.WRITE}
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Found:
    """The broker's answers: operations on each topic that exists, groups that may be seen, and whether ACLs may be."""

    topics: Mapping[str, Collection[str]]
    groups: Collection[str]
    sees_acls: bool


def named(bits: int) -> frozenset[AclOperation]:
    """Return the single operations of a broker's bit field. A negative field means that none was sent."""
    found = {operation for at, operation in OPERATIONS.items() if bits > 0 and bits >> at & 1}
    return frozenset(found - {AclOperation.ALL})


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
    return sorted(operations - {AclOperation.DESCRIBE} or operations)


def _allowed(principal: Principal, prefix: str) -> Mapping[tuple[AclResource, str], set[str]]:
    allowed: dict[tuple[AclResource, str], set[str]] = {}
    for acl in acls(prefix=prefix)[principal]:
        operations = allowed.setdefault((acl.resource, acl.name), set())
        operations.add(acl.operation)
        if acl.operation in IMPLYING_DESCRIBE:
            operations.add(AclOperation.DESCRIBE)
    return allowed
