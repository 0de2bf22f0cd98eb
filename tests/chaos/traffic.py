"""What the e-service sends: the planned bursts, and a request for revocation as soon as it hears of a certificate that is to be revoked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import CERTIFICATES
from servicecert_worker.kafka.cluster import Cluster

from chaos.customers import Customers, poisonous, revocation
from chaos.plan import Burst, Case, PoisonRecord, Way

SEND_SECONDS = 120.0
_ISSUED = ("ce_type", CertificateIssued.TYPE.encode())


class Traffic:
    """Sends, and counts what it sent and heard of. An outage of the broker only makes it slower."""

    def __init__(self, cluster: Cluster, customers: Customers, producer: AIOKafkaProducer) -> None:
        self.sent = 0
        self.issued: set[UUID] = set()
        self.poison: list[tuple[PoisonRecord, str, int, int]] = []
        self._cluster = cluster
        self._customers = customers
        self._producer = producer
        self._to_revoke: dict[UUID, Case] = {}
        self._more = asyncio.Condition()
        self._partitions = [TopicPartition(cluster.name(CERTIFICATES), n) for n in range(CERTIFICATES.partitions)]
        self._positions = dict.fromkeys(self._partitions, 0)

    async def send(self, burst: Burst) -> None:
        """Sends a burst's cases and poison; returns when the broker has them."""
        self._to_revoke |= {case.case_id: case for case in burst.cases if case.way is Way.REVOKED}
        waiting = []
        for case in burst.cases:
            waiting += [await self._send(record) for record in self._customers.first_records(case)]
            self.sent += 1
        for planned in burst.poison:
            await self._send_poison(planned)
        await asyncio.gather(*waiting)

    async def _send(self, record: Record) -> asyncio.Future[object]:
        sent: asyncio.Future[object] = await self._producer.send(
            self._cluster.prefix + record.topic, value=record.value, key=record.key, headers=record.headers
        )
        return sent

    async def _send_poison(self, planned: PoisonRecord) -> None:
        key, headers, value = poisonous(planned)
        written = await self._producer.send_and_wait(
            self._cluster.prefix + planned.topic, value=value, key=key, headers=headers
        )
        self.poison.append((planned, written.topic, written.partition, written.offset))

    async def listen(self) -> None:
        """Hears of certificates, for ever, and asks for the revocation of those that are to be revoked."""
        while True:
            with suppress(KafkaError, OSError):
                await self._listen()

    async def _listen(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._cluster.bootstrap, group_id=None, request_timeout_ms=10_000)
        await consumer.start()
        try:
            consumer.assign(self._partitions)
            for partition, offset in self._positions.items():
                consumer.seek(partition, offset)
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        await self._hear(record)
                    self._positions[partition] = records[-1].offset + 1
        finally:
            await consumer.stop()

    async def _hear(self, record: Any) -> None:
        if _ISSUED not in tuple(record.headers):
            return
        case_id = UUID(record.key.decode())
        async with self._more:
            self.issued.add(case_id)
            self._more.notify_all()
        if (case := self._to_revoke.pop(case_id, None)) is not None:
            await (await self._send(revocation(case, json.loads(record.value)["serial"])))

    async def until_issued(self, count: int) -> None:
        """Returns when it has heard of so many certificates. Raises TimeoutError after a minute."""
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: len(self.issued) >= count)

    def unheard(self, ends: dict[TopicPartition, int]) -> int:
        """How many records about certificates are not heard yet."""
        return sum(max(0, ends[partition] - self._positions[partition]) for partition in self._partitions)

    @property
    def partitions(self) -> list[TopicPartition]:
        """Those it listens to."""
        return self._partitions


@asynccontextmanager
async def traffic(cluster: Cluster, customers: Customers) -> AsyncIterator[Traffic]:
    """An e-service that listens until the context ends."""
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=int(SEND_SECONDS * 1000),
    )
    await producer.start()
    made = Traffic(cluster, customers, producer)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        await producer.stop()
