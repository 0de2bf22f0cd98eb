"""Reads the topic `cases`: one case from its first record on, or the current cases of an account (E4)."""

import math
import time
from collections.abc import AsyncGenerator
from itertools import chain
from uuid import UUID

from aiokafka import TopicPartition
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.event import Change
from servicecert_schemas.topics import CASES
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.reading import change_of, log_skipped

from ..connections import kafka

SILENT_SECONDS = 10.0


async def newest(cluster: Cluster, case_id: UUID) -> CaseChanged | None:
    """Return the current view of the case, None if it is unknown. Raises OperatorError."""
    cases: dict[str, CaseChanged] = {}
    partitions = await kafka.partitions_of_key(cluster, CASES, str(case_id))
    await kafka.read(cluster, CASES, lambda change: _keep(cases, change), partitions)
    return cases.get(str(case_id))


async def changes(cluster: Cluster, case_id: UUID, seconds: float = math.inf) -> AsyncGenerator[CaseChanged, None]:
    """Yield every stored view of the case, and then new ones, for so many seconds. Raises OperatorError."""
    end = (heard := time.monotonic()) + seconds
    numbers = await kafka.partitions_of_key(cluster, CASES, str(case_id))
    places = [TopicPartition(cluster.name(CASES), number) for number in numbers]
    async with kafka.reader(cluster) as consumer:
        consumer.assign(places)
        while time.monotonic() < end:
            batches = await consumer.getmany(timeout_ms=500, max_records=500)
            if batches:
                heard = time.monotonic()
            elif time.monotonic() > heard + SILENT_SECONDS:
                # Raises where nobody answers any more.
                await consumer.end_offsets(places)
                heard = time.monotonic()
            for record in chain.from_iterable(batches.values()):
                if record.key != str(case_id).encode():
                    continue
                try:
                    change = change_of(CASES, record)
                except Undecodable as fault:
                    log_skipped(record, fault)
                    continue
                if isinstance(change.data, CaseChanged):
                    yield change.data


async def of_account(cluster: Cluster, account_id: str) -> list[CaseChanged]:
    cases: dict[str, CaseChanged] = {}
    await kafka.read(cluster, CASES, lambda change: _keep(cases, change, account_id))
    return sorted(cases.values(), key=lambda case: case.history[0].at, reverse=True)


def _keep(cases: dict[str, CaseChanged], change: Change, account_id: str | None = None) -> None:
    if change.data is None:
        cases.pop(change.key, None)
    elif isinstance(change.data, CaseChanged) and account_id in (None, change.data.account_id):
        cases[change.key] = max(cases.get(change.key, change.data), change.data, key=lambda case: case.version)
