"""The rights and quotas of the broker's users, as commands for Kafka's own tools and as resources for Strimzi."""

from collections.abc import Iterable, Iterator, Mapping
from shlex import quote

from servicecert_schemas.principals import PRODUCER_BYTE_RATES, Principal
from servicecert_worker.domain.broker_acls import Acl, AclOperation, AclResource
from servicecert_worker.kafka.rights_creation import ANY_HOST, quota_user

Rights = Mapping[Principal, Iterable[Acl]]

_LOGIN = '--bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" --command-config "$KAFKA_ADMIN_CONFIG"'


def commands(rights: Rights, user: str) -> Iterator[str]:
    """Yield lines for a shell, one for the resources on which a user may do the same, and one for its quota.

    `user` is its name in Kafka, with {} for ours.
    """
    for principal, acls in rights.items():
        names: dict[tuple[AclResource, bool, tuple[AclOperation, ...]], list[str]] = {}
        for (resource, name, prefixed), operations in _by_resource(acls).items():
            names.setdefault((resource, prefixed, tuple(operations)), []).append(name)
        for (resource, prefixed, operations_of_all), same in names.items():
            words = [
                f"kafka-acls.sh {_LOGIN}",
                f"--add --allow-principal {quote(user.format(principal))}",
                *(f"--operation {each}" for each in operations_of_all),
                *(f"--{resource} {quote(each)}" for each in same),
                *(["--resource-pattern-type prefixed"] if prefixed else []),
            ]
            yield " ".join(words)
        if rate := PRODUCER_BYTE_RATES.get(principal):
            who = quote(quota_user(user, principal))
            quota = f"--alter --entity-type users --entity-name {who} --add-config producer_byte_rate={rate}"
            yield f"kafka-configs.sh {_LOGIN} {quota}"


def strimzi(rights: Rights, cluster: str, authentication: str, user: str) -> Iterator[str]:
    """Yield a KafkaUser for each principal, in YAML, of the Kafka that Strimzi calls `cluster`."""
    for principal, acls in rights.items():
        rate = PRODUCER_BYTE_RATES.get(principal)
        quotas = f"\n  quotas: {{producerByteRate: {rate}}}" if rate else ""
        name = user.removeprefix("User:").replace("{}", principal)
        yield _USER.format(name=name, cluster=cluster, authentication=authentication, quotas=quotas)
        for (resource, name, prefixed), operations in _by_resource(acls).items():
            pattern = "prefix" if prefixed else "literal"
            about = f"{{type: {resource}, name: {name}, patternType: {pattern}}}"
            yield f'      - {{resource: {about}, operations: [{", ".join(operations)}], host: "{ANY_HOST}"}}'


_USER = """\
---
apiVersion: kafka.strimzi.io/v1beta2
kind: KafkaUser
metadata:
  name: {name}
  labels: {{strimzi.io/cluster: {cluster}}}
spec:
  authentication: {{type: {authentication}}}{quotas}
  authorization:
    type: simple
    acls:"""


def _by_resource(acls: Iterable[Acl]) -> dict[tuple[AclResource, str, bool], list[AclOperation]]:
    operations: dict[tuple[AclResource, str, bool], list[AclOperation]] = {}
    for acl in sorted(acls):
        operations.setdefault((acl.resource, acl.name, acl.prefixed), []).append(acl.operation)
    return operations
