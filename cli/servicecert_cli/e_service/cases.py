"""What the topic `cases` says: of one case from the first record on, or of all cases of an account as they now stand (E4)."""

from collections.abc import AsyncGenerator
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.topics import CASES
from servicecert_worker.decider import Change
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import change_of

from ..connections import kafka


async def newest(place: Cluster, case_id: UUID) -> CaseChanged | None:
    """The case as it now stands, None where nothing is known of it. Raises OperatorError."""
    found: dict[str, CaseChanged] = {}
    await kafka.read(place, CASES, lambda change: _keep(found, change), [await _partition(place, case_id)])
    return found.get(str(case_id))


async def changes(place: Cluster, case_id: UUID) -> AsyncGenerator[CaseChanged, None]:
    """Every view of the case that is kept, and then those to come, for ever. Raises OperatorError."""
    partition = TopicPartition(place.name(CASES), await _partition(place, case_id))
    async with kafka.reader(place) as consumer:
        consumer.assign([partition])
        while True:
            for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, ()):
                change = change_of(record) if record.key == str(case_id).encode() else None
                if change is not None and isinstance(change.data, CaseChanged):
                    yield change.data


async def of_account(place: Cluster, account_id: str) -> list[CaseChanged]:
    """The cases of an account as they now stand, the newest first. A case that was erased is not among them. Raises OperatorError."""
    found: dict[str, CaseChanged] = {}
    await kafka.read(place, CASES, lambda change: _keep(found, change, account_id))
    return sorted(found.values(), key=lambda case: case.history[0].at, reverse=True)


async def _partition(place: Cluster, case_id: UUID) -> int:
    """The partition that the case's records are in."""
    numbers = await kafka.partitions(place, CASES)
    partition: int = DefaultPartitioner()(str(case_id).encode(), numbers, numbers)
    return partition


def _keep(found: dict[str, CaseChanged], change: Change, account_id: str | None = None) -> None:
    """Keeps the newest view of each case, or of each of an account. A case that was erased goes."""
    if change.data is None:
        found.pop(change.key, None)
    elif isinstance(change.data, CaseChanged) and account_id in (None, change.data.account_id):
        found[change.key] = max(found.get(change.key, change.data), change.data, key=lambda case: case.version)
