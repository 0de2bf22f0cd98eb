"""Gives a broker's users their passwords, rights and quotas. The broker's administrator may do it."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, SecurityDisabled
from servicecert_schemas.principals import PRODUCER_BYTE_RATES, Principal

from ..core.faults import OperatorError, backoff, no_broker, with_timeout
from ..domain.broker_acls import Acl, AclOperation, AclResource
from .cluster import Cluster
from .internals import create_acls, list_acls, set_producer_byte_rates, set_scram_credentials

ANY_HOST = "*"

_START_SECONDS = 15.0
_PATIENCE_SECONDS = 60.0
_RESOURCES = {AclResource.TOPIC: 2, AclResource.GROUP: 3}
_OPERATIONS = {
    AclOperation.READ: 3,
    AclOperation.WRITE: 4,
    AclOperation.CREATE: 5,
    AclOperation.DESCRIBE: 8,
    AclOperation.DESCRIBE_CONFIGS: 10,
}
_LITERAL, _PREFIXED = 3, 4
_ALLOW = 3
_SCRAM_SHA_512 = 2
_ROUNDS = 4096
"""Kafka's least: the passwords are drawn, so more would not make them harder to guess."""


async def apply(cluster: Cluster, rights: Mapping[Principal, Iterable[Acl]], user: str = "User:{}") -> int:
    """Create the rights that are missing, and return how many once the broker heeds them all. Raises `OperatorError`.

    It sets the quotas of these principals, too. `user` is the broker's name of a principal, with {} for ours.
    """
    wanted = {_as_kafka(acl, user.format(principal)) for principal, acls in rights.items() for acl in acls}
    rates = {quota_user(user, each): rate for each, rate in PRODUCER_BYTE_RATES.items() if each in rights}
    async with _client(cluster) as client:
        missing = wanted - await list_acls(client)
        if missing:
            await create_acls(client, sorted(missing))
        async for _ in backoff(first=0.02, longest=0.5):
            if wanted <= await list_acls(client):
                break
        await set_producer_byte_rates(client, rates)
    return len(missing)


def quota_user(user: str, principal: Principal) -> str:
    """Return the broker's name of a principal without `User:`, as quotas have it."""
    return user.format(principal).partition(":")[2]


async def set_passwords(cluster: Cluster, passwords: Mapping[str, str]) -> None:
    """Set the users' passwords, for SCRAM-SHA-512. Raises `OperatorError`."""
    salts = {name: secrets.token_bytes(32) for name in passwords}
    users = [
        (name, _ROUNDS, salts[name], hashlib.pbkdf2_hmac("sha512", password.encode(), salts[name], _ROUNDS))
        for name, password in passwords.items()
    ]
    async with _client(cluster) as client:
        await set_scram_credentials(client, users, _SCRAM_SHA_512)


@asynccontextmanager
async def _client(cluster: Cluster) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**cluster.client)
    try:
        await with_timeout(_START_SECONDS, client.bootstrap())
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield client
    except ClusterAuthorizationFailedError:
        raise OperatorError(
            "This user may not change rights: use the broker's administrator (KAFKA_SASL_USERNAME or "
            "KAFKA_CERTIFICATE_FILE).",
            exit_code=77,
        ) from None
    except SecurityDisabled:
        raise OperatorError("The broker checks no rights: set its authorizer.class.name.") from None
    except (KafkaError, OSError, TimeoutError):
        raise no_broker(cluster.bootstrap, cluster.access) from None
    finally:
        await client.close()


def _as_kafka(acl: Acl, user: str) -> tuple[int, str, int, str, str, int, int]:
    pattern = _PREFIXED if acl.prefixed else _LITERAL
    return _RESOURCES[acl.resource], acl.name, pattern, user, ANY_HOST, _OPERATIONS[acl.operation], _ALLOW
