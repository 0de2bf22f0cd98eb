"""Erases the personal data of cases (E3).

A case is due 5 years after its certificate's expiry; one that ended without a certificate, 5 years after its end.
Erased are the case at intake, the recipients at issuer, revoker and notifier, the case's parked records, the salts of
its audit rows, and, with a record without a value, its view on the topic `cases`. Other topics keep records 90 days.

A parked record of no case is due 5 years after it was parked: its key is a position in a topic, or a case that intake
does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.topics import CASES, SERVICES
from servicecert_worker.domain.traces import is_case
from servicecert_worker.faults import with_timeout
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.partitioner import partitions_with
from servicecert_worker.storage import QUERIES
from servicecert_worker.storage.operator_requests import OperatorAction, record
from servicecert_worker.storage.queries import read_queries

from ..connections import kafka
from ..connections.schema import connected

_DUE: Mapping[str, str] = {
    "issuer": """
        select key from certificates
        where state in ('issued', 'voided') and not_after < $1::timestamptz - interval '5 years'
          and "grant" -> 'recipients' <> '[]'
    """,
    # What the issuer refused ended after the last state that intake decided.
    "intake": """
        select case_id from cases
        where state in ('refused', 'withdrawn', 'lapsed') and serial is null
          and greatest((body -> 'entered' -> -1 ->> 'at')::timestamptz, (body ->> 'unissued_at')::timestamptz)
              < $1::timestamptz - interval '5 years'
          and (body -> 'entered' -> -1 ->> 'at') collate "C"
              < to_char($1::timestamptz - interval '5 years' + interval '2 days', 'YYYY-MM-DD')
    """,
}
_PARKED_DUE = """
    select key from parked
    group by key having max(first_at) < $1::timestamptz - interval '5 years'
        and (select case_id from intake.cases where case_id = parked.key) is null
"""
_ERASED = """
    select distinct key from audit
    where entry like '%"erase"%' and case when entry is json then entry::jsonb #>> '{happened,command}' = 'erase' end
"""
_BEGINS = time(3)


async def due(url: str, now: datetime) -> list[str]:
    """Return the ids of the cases that are due, and the keys of parked records that are."""
    keys: set[str] = set()
    for service in SERVICES:
        async with connected(url, service) as connection:
            for query in filter(None, (_DUE.get(service), _PARKED_DUE)):
                keys |= {row[0] for row in await connection.fetch(query, now)}
    return sorted(keys)


async def erased(url: str) -> list[str]:
    """Return what was erased before, according to the audit."""
    async with connected(url, "intake", patient=True) as connection:
        return sorted(row[0] for row in await connection.fetch(_ERASED))


def next_night(now: datetime) -> datetime:
    """Return the next three o'clock at night in Helsinki, in UTC."""
    day = now.astimezone(HELSINKI).date()
    tonight, tomorrow = (
        datetime.combine(each, _BEGINS, HELSINKI).astimezone(UTC) for each in (day, day + timedelta(days=1))
    )
    return tonight if tonight > now else tomorrow


async def erase(url: str, cluster: Cluster, keys: Sequence[str]) -> list[str]:
    """Erase each in one transaction of all services. Return the skipped ones, which have pending work."""
    skipped: list[str] = []
    async with kafka.producer(cluster) as producer, connected(url, "intake") as connection:
        for key in keys:
            async with connection.transaction():
                if await _has_pending(connection, key):
                    skipped.append(key)
                    continue
                for service in SERVICES:
                    await _within(connection, service, QUERIES["erase"], key)
                if is_case(key):
                    await _erase_case(producer, cluster, connection, key)
                await connection.execute("set local search_path = intake")
                await record(connection, "erase", [OperatorAction(key)])
    return skipped


async def _erase_case(
    producer: AIOKafkaProducer, cluster: Cluster, connection: asyncpg.Connection[Any], case: str
) -> None:
    """Erase what only a case has. The topic first: once deleted from the tables, the case would not be found again."""
    await _erase_view(producer, cluster, case)
    for service in SERVICES:
        await _within(connection, service, QUERIES["erase_deadlines"], case)
        await _within(connection, service, _queries(service)["erase"], case)


async def _erase_view(producer: AIOKafkaProducer, cluster: Cluster, case: str) -> None:
    """Publish the case's key without a value, in each partition that may have a view of it.

    Raises OperatorError: the code around it handles database errors only.
    """
    topic, key = cluster.name(CASES), case.encode()

    async def publish() -> None:
        for partition in partitions_with(key, CASES.partitions, len(await producer.partitions_for(topic))):
            await producer.send_and_wait(topic, key=key, value=None, partition=partition)

    try:
        await with_timeout(kafka.SEND_SECONDS, publish())
    except (KafkaError, OSError, TimeoutError):
        raise kafka.unanswered(cluster) from None


async def _has_pending(connection: asyncpg.Connection[Any], key: str) -> bool:
    """Lock the key at all services, and return whether it has unpublished events or open intents."""
    for service in SERVICES:
        await _within(connection, service, "select pg_advisory_xact_lock(lock_of('key/' || $1))", key)
    for service in SERVICES:
        await connection.execute(f"set local search_path = {service}")
        query = "select exists (select from outbox where key = $1) or exists (select from intents where key = $1)"
        if await connection.fetchval(query, key):
            return True
    return False


async def _within(connection: asyncpg.Connection[Any], service: str, query: str, key: str) -> None:
    await connection.execute(f"set local search_path = {service}")
    await connection.execute(query, key)


def _queries(service: str) -> Mapping[str, str]:
    return read_queries(f"servicecert_{service}.storage")
