"""Who may do what with which topic and group: the broker's access control lists, from the catalogue (F4).

Kafka's Read and Write imply Describe, and Write on a topic implies the right to write idempotently; so neither is
listed. No principal may alter or delete anything: who creates topics cannot change them, and the lists themselves are
written by the broker's own administrator.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, CERTIFICATE_STANDINGS, FOLLOWED, SERVICES, Topic


class AclResource(StrEnum):
    """What a right is about."""

    TOPIC = "topic"
    GROUP = "group"


class AclOperation(StrEnum):
    """What a principal may do, by Kafka's names."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """A right of one principal. `prefixed`: on everything whose name begins with `name`."""

    resource: AclResource
    name: str
    operation: AclOperation
    prefixed: bool = False


def acls(catalogue: Iterable[Topic] = CATALOGUE, prefix: str = "") -> Mapping[Principal, frozenset[Acl]]:
    """Return the exact rights of each principal; `prefix` is before the name of every topic and group."""
    topics = tuple(catalogue)

    def of(principal: Principal) -> frozenset[Acl]:
        on_topics = (
            Acl(AclResource.TOPIC, prefix + topic.name, operation)
            for topic in topics
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
            # Its database is compared with it: by each worker (core/unknown.py), and by `servicecert republish`.
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
