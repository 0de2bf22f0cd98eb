"""Erases the personal data of cases (E3), by the functions of each schema: see servicecert_worker/storage/erasing.sql.

A case is due 5 years after its certificate's expiry; one that ended without a certificate, 5 years after its end.
Erased are the case at intake, the recipients at issuer, revoker and notifier, the case's parked records, the salts of
its audit rows, and, with a record without a value, its view on the topic `cases`. Other topics keep records 90 days.

A parked record of a case that its service does not know, or of none, is due 5 years after it was parked.
"""

import os
from collections.abc import Sequence
from datetime import datetime, time, timedelta

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from servicecert_pki.validity import day_of, in_helsinki
from servicecert_schemas.topics import CASES, SERVICES
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.faults import OperatorError, with_timeout
from servicecert_worker.core.traces import is_case
from servicecert_worker.kafka.clients import broker_refused
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.partitioner import partitions_with

from ..connections import kafka
from ..connections.schema import connected

_BEGINS = time(3)
_CLOCKS_DIFFER = timedelta(minutes=2)


class _Pending(Exception):
    """A service may not erase the key, or has something to publish or to do about it."""


async def due(url: str) -> list[str]:
    """Return the ids of the cases that are due, and the keys of parked records that are."""
    return await _found(url, "select {}.keys_to_erase()")


async def erased(url: str) -> list[str]:
    return await _found(url, "select {}.erased_keys()")


async def _found(url: str, query: str) -> list[str]:
    """Return the keys that a query finds in any service's schema, and that all services may erase."""
    async with connected(url, SERVICES[0], patient=True) as connection:
        # By PostgreSQL's clock they are due, and what is erased does not come back (F6).
        ahead = await connection.fetchval("select clock_timestamp()") - machine_clock()
        if abs(ahead) > _CLOCKS_DIFFER:
            raise OperatorError(
                f"PostgreSQL's clock and this machine's differ by {abs(ahead.total_seconds()):.0f} s, so nothing is "
                "erased: correct the wrong one.",
                os.EX_TEMPFAIL,
            )
        try:
            keys = {row[0] for service in SERVICES for row in await connection.fetch(query.format(service))}
        except asyncpg.InsufficientPrivilegeError as fault:
            raise OperatorError(
                f"Only the eraser's login may do this ({fault}): `servicecert db prepare` makes it.", os.EX_NOPERM
            ) from None
        for service in SERVICES:
            allowed = "select key from unnest($1::text[]) as found (key) where {}.may_be_erased(key)"
            keys = {row["key"] for row in await connection.fetch(allowed.format(service), list(keys))}
    return sorted(keys)


def next_night(now: datetime) -> datetime:
    """Return the next three o'clock at night in Helsinki, in UTC."""
    day = day_of(now)
    tonight, tomorrow = (in_helsinki(each, _BEGINS) for each in (day, day + timedelta(days=1)))
    return tonight if tonight > now else tomorrow


async def erase(url: str, cluster: Cluster, keys: Sequence[str]) -> list[str]:
    """Erase each in one transaction of all services. Return the skipped ones, which have pending work."""
    skipped: list[str] = []
    async with kafka.producer(cluster) as producer, connected(url, SERVICES[0]) as connection:
        for key in keys:
            try:
                async with connection.transaction():
                    for service in SERVICES:
                        if not await connection.fetchval(f"select {service}.erase($1)", key):
                            raise _Pending
                    if is_case(key):
                        # Before the commit: once deleted from the tables, the case would not be found again.
                        await _erase_view(producer, cluster, key)
            except _Pending:
                skipped.append(key)
    return skipped


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
        raise await broker_refused(cluster) from None
