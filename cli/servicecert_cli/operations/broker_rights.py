"""The rights of the broker's users, as commands for Kafka's own tool and as resources for Strimzi's operator."""

from collections.abc import Iterable, Iterator, Mapping
from shlex import quote

from servicecert_schemas.acls import Acl, Operation, Resource
from servicecert_schemas.principals import Principal
from servicecert_worker.kafka.rights_creation import ANY_HOST

Rights = Mapping[Principal, Iterable[Acl]]

STRIMZI_API = "kafka.strimzi.io/v1beta2"


def commands(rights: Rights, user: str) -> Iterator[str]:
    """Yield a line of `kafka-acls.sh` for each resource of each user. `user` is its name in Kafka, with {} for ours."""
    for principal, acls in rights.items():
        for (resource, name, prefixed), operations in _by_resource(acls).items():
            given = " ".join(f"--operation {each}" for each in operations)
            pattern = " --resource-pattern-type prefixed" if prefixed else ""
            allowed = quote(user.format(principal))
            yield f"$KAFKA_ACLS --add --allow-principal {allowed} {given} --{resource} {quote(name)}{pattern}"


def strimzi(rights: Rights, cluster: str, authentication: str) -> list[dict[str, object]]:
    """Return a KafkaUser for each principal, in the Kafka that Strimzi calls `cluster`."""
    return [
        {
            "apiVersion": STRIMZI_API,
            "kind": "KafkaUser",
            "metadata": {"name": str(principal), "labels": {"strimzi.io/cluster": cluster}},
            "spec": {
                "authentication": {"type": authentication},
                "authorization": {
                    "type": "simple",
                    "acls": [
                        {
                            "resource": {
                                "type": str(resource),
                                "name": name,
                                "patternType": "prefix" if prefixed else "literal",
                            },
                            "operations": [str(each) for each in operations],
                            "host": ANY_HOST,
                        }
                        for (resource, name, prefixed), operations in _by_resource(acls).items()
                    ],
                },
            },
        }
        for principal, acls in rights.items()
    ]


def _by_resource(acls: Iterable[Acl]) -> dict[tuple[Resource, str, bool], list[Operation]]:
    operations: dict[tuple[Resource, str, bool], list[Operation]] = {}
    for acl in sorted(acls):
        operations.setdefault((acl.resource, acl.name, acl.prefixed), []).append(acl.operation)
    return operations
