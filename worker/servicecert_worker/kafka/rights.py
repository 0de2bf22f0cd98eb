"""Asks the broker what this process may do, so that one with too many or too few rights does not start (F4)."""

from aiokafka.client import AIOKafkaClient
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES

from ..core.broker_acls import Found, missing, named, shown, surplus
from ..core.faults import OperatorError
from .cluster import Cluster
from .internals import authorized_operations, may_describe_group, may_list_acls


async def found(client: AIOKafkaClient, cluster: Cluster) -> Found:
    """Return what the broker says. Raises what aiokafka raises."""
    operations = await authorized_operations(client, [cluster.name(topic) for topic in CATALOGUE])
    groups = [cluster.group(service) for service in SERVICES]
    return Found(
        {topic: named(bits) for topic, bits in operations.items()},
        [group for group in groups if await may_describe_group(client, group)],
        await may_list_acls(client),
    )


async def require_rights(client: AIOKafkaClient, cluster: Cluster, principal: Principal) -> None:
    """Raise `OperatorError` if the rights differ from the principal's, and what aiokafka raises."""
    answers = await found(client, cluster)
    if wider := surplus(principal, cluster.prefix, answers):
        raise OperatorError(
            f"The broker allows {principal} more than it needs, {shown(wider)}: give its user exactly the rights of "
            "`servicecert topics acls`, or for a trial set SERVICECERT_INSECURE=rights."
        )
    if lacking := missing(principal, cluster.prefix, answers):
        raise OperatorError(
            f"The broker does not allow {principal} what it needs, {shown(lacking)}: give its user the rights of "
            "`servicecert topics acls`.",
            exit_code=77,
        )
