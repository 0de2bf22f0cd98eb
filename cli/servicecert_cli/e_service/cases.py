"""What the topic `cases` says: of one case from the first record on, or of all cases of an account as they now stand (E4)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from uuid import UUID

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.codec import Undecodable, decode
from servicecert_schemas.topics import CASES

from ..connections import kafka
from ..connections.addresses import Cluster


async def newest(place: Cluster, case_id: UUID) -> CaseChanged | None:
    """The case as it now stands, None where nothing is known of it. Raises OperatorError."""
    found = None
    async with aclosing(kafka.records(place, CASES, [await _partition(place, case_id)])) as records:
        async for record in records:
            for case in _said(record, case_id):
                found = case if case is None or found is None or case.version > found.version else found
    return found


async def changes(place: Cluster, case_id: UUID) -> AsyncGenerator[CaseChanged, None]:
    """Every view of the case that is kept, and then those to come, for ever. Raises OperatorError."""
    partition = TopicPartition(place.name(CASES), await _partition(place, case_id))
    async with kafka.reader(place) as consumer:
        consumer.assign([partition])
        while True:
            for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, ()):
                for case in _said(record, case_id):
                    if case is not None:
                        yield case


async def of_account(place: Cluster, account_id: str) -> list[CaseChanged]:
    """The cases of an account as they now stand, the newest first. A case that was erased is not among them. Raises OperatorError."""
    found: dict[bytes, CaseChanged] = {}
    async with aclosing(kafka.records(place, CASES)) as records:
        async for record in records:
            if record.value is None:
                found.pop(record.key, None)
            elif (case := _decoded(record)) is not None and case.account_id == account_id:
                found[record.key] = max(found.get(record.key, case), case, key=lambda each: each.version)
    return sorted(found.values(), key=lambda case: case.history[0].at, reverse=True)


async def _partition(place: Cluster, case_id: UUID) -> int:
    """The partition that the case's records are in."""
    numbers = await kafka.partitions(place, CASES)
    partition: int = DefaultPartitioner()(str(case_id).encode(), numbers, numbers)
    return partition


def _said(record: ConsumerRecord, case_id: UUID) -> Iterator[CaseChanged | None]:
    """What a record says of the case, None for that it is erased; nothing where it is another's."""
    if record.key == str(case_id).encode():
        case = None if record.value is None else _decoded(record)
        if record.value is None or case is not None:
            yield case


def _decoded(record: ConsumerRecord) -> CaseChanged | None:
    """A case's view, None for any other record."""
    try:
        data = decode(record.key, record.headers, record.value)[1]
    except Undecodable:
        return None
    return data if isinstance(data, CaseChanged) else None
