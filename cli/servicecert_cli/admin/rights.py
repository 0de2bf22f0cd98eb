"""The rights and quotas of the broker's users: given by the broker's administrator, or printed for its tools."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from shlex import quote

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import SecurityDisabled
from servicecert_schemas.broker import PRODUCER_BYTE_RATES, Principal
from servicecert_worker.core.broker_acls import OPERATIONS, Acl, AclOperation, AclResource
from servicecert_worker.core.faults import OperatorError, backoff
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.internals import client_of, list_acls

from ..connections import kafka
from .internals import create_acls, set_producer_byte_rates, set_scram_credentials

Rights = Mapping[Principal, Iterable[Acl]]

_ANY_HOST = "*"
_PATIENCE_SECONDS = 60.0
_NUMBERS = {operation: number for number, operation in OPERATIONS.items()}
RESOURCES = {AclResource.TOPIC: 2, AclResource.GROUP: 3}
LITERAL, PREFIXED = 3, 4
ALLOW = 3
_SCRAM_SHA_512 = 2
_ROUNDS = 4096
"""Kafka's least: the passwords are drawn, so more would not make them harder to guess."""


async def apply(cluster: Cluster, rights: Rights, user: str = "User:{}") -> int:
    """Create the rights that are missing, and return how many once the broker heeds them all. Raises `OperatorError`.

    It sets the quotas of these principals, too. `user` is the broker's name of a principal, with {} for ours.
    """
    wanted = {_as_kafka(acl, user.format(principal)) for principal, acls in rights.items() for acl in acls}
    rates = {_quota_user(user, each): rate for each, rate in PRODUCER_BYTE_RATES.items() if each in rights}
    async with _administrator(cluster) as client:
        missing = wanted - await list_acls(client)
        if missing:
            await create_acls(client, sorted(missing))
        async for _ in backoff(first=0.02, longest=0.5):
            if wanted <= await list_acls(client):
                break
        await set_producer_byte_rates(client, rates)
    return len(missing)


def _quota_user(user: str, principal: Principal) -> str:
    return user.format(principal).partition(":")[2]


async def set_passwords(cluster: Cluster, passwords: Mapping[str, str]) -> None:
    """Set the users' passwords, for SCRAM-SHA-512. Raises `OperatorError`."""
    users = [_with_password(*each) for each in passwords.items()]
    async with _administrator(cluster) as client:
        await set_scram_credentials(client, users)


def _with_password(name: str, password: str) -> tuple[str, int, int, bytes, bytes]:
    salt = secrets.token_bytes(32)
    return name, _SCRAM_SHA_512, _ROUNDS, salt, hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)


@asynccontextmanager
async def _administrator(cluster: Cluster) -> AsyncIterator[AIOKafkaClient]:
    async with kafka.admin(cluster) as admin, kafka.explained(cluster, TimeoutError):
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                yield client_of(admin)
        except SecurityDisabled:
            raise OperatorError("The broker checks no rights: set its authorizer.class.name.") from None


def _as_kafka(acl: Acl, user: str) -> tuple[int, str, int, str, str, int, int]:
    pattern = PREFIXED if acl.prefixed else LITERAL
    return RESOURCES[acl.resource], acl.name, pattern, user, _ANY_HOST, _NUMBERS[acl.operation], ALLOW


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
            who = quote(_quota_user(user, principal))
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
            yield f'      - {{resource: {about}, operations: [{", ".join(operations)}], host: "{_ANY_HOST}"}}'


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
