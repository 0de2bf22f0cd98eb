"""The e-service: sends the planned bursts, and requests the planned revocations once their certificates are issued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from servicecert_cli.connections import kafka
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import CERTIFICATES
from servicecert_worker.kafka.cluster import Cluster

from chaos.customers import Customers, poison_record, revocation
from chaos.plan import Burst, Case, PoisonRecord, Scenario

SEND_SECONDS = 120.0
_ISSUED = ("ce_type", CertificateIssued.TYPE.encode())


class Traffic:
    """Sends records, and counts sent cases and issued certificates. An outage of the broker only delays it."""

    def __init__(
        self,
        cluster: Cluster,
        customers: Customers,
        producer: AIOKafkaProducer,
        partitions: list[TopicPartition],
    ) -> None:
        self.sent = 0
        self.issued: set[UUID] = set()
        self.poison: list[tuple[PoisonRecord, str, int, int]] = []
        self._cluster = cluster
        self._customers = customers
        self._producer = producer
        self._to_revoke: dict[UUID, Case] = {}
        self._more = asyncio.Condition()
        self._partitions = partitions
        self._positions = dict.fromkeys(partitions, 0)

    async def send(self, burst: Burst) -> None:
        """Send a burst's cases and poison; return when the broker has acknowledged them."""
        waiting = []
        for case in burst.cases:
            records = self.records(case)
            waiting += [await self._send(record) for record in records]
        for planned in burst.poison:
            await self._send_poison(planned)
        await asyncio.gather(*waiting)

    def records(self, case: Case) -> list[Record]:
        """Return the records of a case, which is sent from now on, and revoked where that is planned."""
        if case.scenario is Scenario.REVOKED:
            self._to_revoke[case.case_id] = case
        self.sent += 1
        return list(self._customers.initial_records(case))

    async def send_one(self, record: Record) -> None:
        """Send a record; return when the broker has acknowledged it."""
        await (await self._send(record))

    async def _send(self, record: Record) -> asyncio.Future[object]:
        sent: asyncio.Future[object] = await self._producer.send(
            self._cluster.prefix + record.topic, value=record.value, key=record.key, headers=record.headers
        )
        return sent

    async def _send_poison(self, planned: PoisonRecord) -> None:
        key, headers, value = poison_record(planned)
        written = await self._producer.send_and_wait(
            self._cluster.prefix + planned.topic, value=value, key=key, headers=headers
        )
        self.poison.append((planned, written.topic, written.partition, written.offset))

    async def listen(self) -> None:
        """Read events about certificates, for ever, and request the planned revocations."""
        while True:
            with suppress(KafkaError, OSError):
                await self._listen()

    async def _listen(self) -> None:
        consumer = AIOKafkaConsumer(**self._cluster.client, group_id=None, request_timeout_ms=10_000)
        await consumer.start()
        try:
            consumer.assign(self._partitions)
            for partition, offset in self._positions.items():
                consumer.seek(partition, offset)
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        await self._handle(record)
                    self._positions[partition] = records[-1].offset + 1
        finally:
            await consumer.stop()

    async def _handle(self, record: Any) -> None:
        if _ISSUED not in tuple(record.headers):
            return
        case_id = UUID(record.key.decode())
        async with self._more:
            self.issued.add(case_id)
            self._more.notify_all()
        if (case := self._to_revoke.pop(case_id, None)) is not None:
            await (await self._send(revocation(case, json.loads(record.value)["serial"])))

    async def until_issued(self, count: int) -> None:
        """Return when that many certificates are issued. Raises TimeoutError after a minute."""
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: len(self.issued) >= count)

    def unread(self, ends: dict[TopicPartition, int]) -> int:
        """Return the number of unread records about certificates."""
        return sum(max(0, ends[partition] - self._positions[partition]) for partition in self._partitions)

    @property
    def partitions(self) -> list[TopicPartition]:
        """The partitions that it reads."""
        return self._partitions


@asynccontextmanager
async def traffic(cluster: Cluster, customers: Customers) -> AsyncIterator[Traffic]:
    """Run an e-service until the context ends."""
    producer = AIOKafkaProducer(
        **cluster.client,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=int(SEND_SECONDS * 1000),
    )
    await producer.start()
    numbers = await kafka.partitions(cluster, CERTIFICATES)
    partitions = [TopicPartition(cluster.name(CERTIFICATES), number) for number in numbers]
    sender = Traffic(cluster, customers, producer, partitions)
    listening = asyncio.create_task(sender.listen())
    try:
        yield sender
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        await producer.stop()
