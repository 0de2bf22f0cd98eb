"""Consumer groups, asked from outside: a coordinator that is not there yet is asked again."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError
from servicecert_worker.core.faults import OperatorError, backoff
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.internals import GroupMember, client_of, committed_offsets, group_members
from servicecert_worker.runtime.settings import WorkerSettings

T = TypeVar("T")

_COORDINATOR_SECONDS = 15.0
_COORDINATOR_NOT_READY = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


async def members(admin: AIOKafkaAdminClient, group: str) -> list[GroupMember]:
    """Return the running workers of a group. Raises what aiokafka raises."""
    return await _patiently(partial(group_members, client_of(admin), group))


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """Return a group's committed offsets by partition. Raises what aiokafka raises."""
    return await _patiently(partial(committed_offsets, client_of(admin), group))


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask for up to 15 s: after a broker's death there is no coordinator for a moment, and a new one has to load."""
    until = asyncio.get_running_loop().time() + _COORDINATOR_SECONDS
    async for _ in backoff(longest=1.0):
        try:
            return await ask()
        except _COORDINATOR_NOT_READY:
            if asyncio.get_running_loop().time() > until:
                raise
    raise AssertionError("The pauses never end.")


async def require_stopped(admin: AIOKafkaAdminClient, cluster: Cluster, service: str) -> None:
    """Raise OperatorError while a service's group has members."""
    if running := len(await members(admin, cluster.group(service))):
        raise OperatorError(f"{running} workers of {service} are running: stop them. {gone_after()}", os.EX_TEMPFAIL)


def gone_after() -> str:
    """Return a sentence that says how long a killed worker stays a member of its group."""
    field = WorkerSettings.model_fields["session_seconds"]
    seconds = os.environ.get(str(field.alias)) or f"{field.default:g}"
    return f"Kafka forgets a killed worker after {seconds} s ({field.alias})."
