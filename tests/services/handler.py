"""A service's handler with FastStream's test broker: a real database, no Kafka."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
from databases import operator
from examples import examples
from faststream.kafka import KafkaBroker, TestKafkaBroker
from identities import Identities
from servicecert_schemas.codec import Record, stored, to_record
from servicecert_schemas.event import EventData
from servicecert_worker.core import record as runtime
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.record import time_of
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.source import Source
from servicecert_worker.process.service import ServiceModule
from servicecert_worker.runtime import parking
from servicecert_worker.runtime.settings import WorkerSettings
from servicecert_worker.runtime.worker import Worker
from servicecert_worker.storage.database import KnownDatabase
from toy.app import subscribe
from toy.stand import eventually

E = TypeVar("E", bound=EventData)


def example(event: type[E], **changes: Any) -> E:
    """Return the stored example of an event type, with changed fields."""
    return event.model_validate({**examples()[event.TYPE][0]["value"], **changes})


class OfTestBroker(Source):
    """Takes in the records of FastStream's test broker, which are the client's and not ours."""

    async def receive(self, records: Sequence[Any]) -> None:
        await super().receive(
            [
                runtime.Record(it.topic, it.partition, it.offset, it.key, it.headers, it.value, time_of(it.timestamp))
                for it in records
            ]
        )


class Handler:
    """Hands events to the service, and reads what its turns stored."""

    def __init__(
        self, broker: KafkaBroker, pool: asyncpg.Pool[Any], identities: Identities, worker: Worker[Any, Any]
    ) -> None:
        self.identities = identities
        self._worker = worker
        self._broker = broker
        self._pool = pool
        self._sent = 0
        self.machine_is_off = timedelta()

    def machine(self) -> datetime:
        """Return the time of the service's machine, which may be wrong."""
        return machine_clock() + self.machine_is_off

    async def decides_nothing_by_a_wrong_clock(self, data: EventData) -> None:
        """Assert that an event waits while the machine's clock is a day ahead, and is handled once it is right (F6)."""
        self.machine_is_off = timedelta(days=1)
        handling = asyncio.create_task(self.handle(data))

        async def refuses() -> bool:
            return self._worker.ready() == (False, self._worker._guard.fault())

        await eventually(refuses)
        assert "differs from PostgreSQL's by +86400 s" in self._worker.ready()[1]
        assert self._worker.live()[0]
        assert f'servicecert_clock_wrong{{service="{self._worker._service.name}"}} 1.0' in await self._shown()
        assert (await self.handled_ids(), await self.parked(), await self.intents()) == (set(), [], [])
        self.machine_is_off = timedelta()
        await handling
        assert f'servicecert_clock_wrong{{service="{self._worker._service.name}"}} 0.0' in await self._shown()
        assert len(await self.handled_ids()) == 1

    async def _shown(self) -> list[str]:
        return (await self._worker.metrics()).decode().splitlines()

    async def handle(self, *events: EventData) -> None:
        """Have the service handle events, one after the other, as if their writers had published them."""
        for data in events:
            record = to_record(data, source="/test", id=uuid4(), time=machine_clock())
            await self.handle_record(self.identities.signed(record))

    async def handle_record(self, record: Record) -> None:
        """Have the service handle a record as it is."""
        headers = {name: value.decode() for name, value in record.headers}
        await self._broker.publish(record.value, record.topic, key=record.key, headers=headers)
        await self._handled()

    async def handle_raw(self, topic: str, value: bytes, headers: Mapping[str, str]) -> None:
        """Have the service handle a raw record."""
        await self._broker.publish(value, topic, key=b"key", headers=dict(headers))
        await self._handled()

    async def _handled(self) -> None:
        self._sent += 1

        async def handled() -> bool:
            count = await self._pool.fetchval("select (select count(*) from inbox) + (select count(*) from parked)")
            return bool(count == self._sent)

        await eventually(handled)

    async def published(self) -> list[EventData]:
        """Return the events in the outbox, in order."""
        rows = await self._pool.fetch("select type, payload from outbox order by id")
        return [stored(row["type"], row["payload"]) for row in rows]

    async def replay(self) -> None:
        """Have an operator replay all parked records, and the service handle them with the keys that are pinned now."""
        async with operator(self._pool) as connection:
            culprits = await parking.find(connection, parking.Selection())
            await parking.replay(connection, [each.event_id for each in culprits])
        async with self._pool.acquire() as connection:
            self._worker._loop.give(await parking.released(connection, 100, self.identities.verifier()))

    async def attempts(self, count: int) -> bool:
        """Return whether the parked records were handled so often in all."""
        return bool(await self._pool.fetchval("select coalesce(sum(attempts), 0) from parked") == count)

    async def handled_ids(self) -> set[UUID]:
        """Return the ids of the events that had their effect."""
        return {row["event_id"] for row in await self._pool.fetch("select event_id from inbox")}

    async def untrusted(self) -> float:
        """Return the metric of records that none of their writers has signed."""
        return sum(
            float(line.split()[-1])
            for line in await self._shown()
            if line.startswith("servicecert_untrusted_records_total")
        )

    async def intents(self) -> list[str]:
        """Return the kinds of the open intents."""
        return [row["kind"] for row in await self._pool.fetch("select kind from intents order by since, id")]

    async def parked(self) -> list[str]:
        """Return the reasons of parked records."""
        return [row["reason"] for row in await self._pool.fetch("select reason from parked order by seq")]


@asynccontextmanager
async def handling(
    module: ServiceModule, settings: Any, pool: asyncpg.Pool[Any], known: Any = None
) -> AsyncIterator[Handler]:
    """Yield the service's handler; `known` is its snapshot. Intents are stored and not done."""
    with tempfile.TemporaryDirectory() as folder:
        identities = Identities(Path(folder) / "service-keys")
        places = {"KAFKA_BOOTSTRAP_SERVERS": "none:1", "DATABASE_URL": "postgresql://none/none"}
        worker_settings = WorkerSettings(**places, **identities.environment(module.NAME))
        broker = Broker(worker_settings.cluster, module.NAME)
        source = OfTestBroker(broker, [topic.name for topic in module.READS], module.NAME)
        subscribe(broker, source)
        async with module.open_service(settings, pool, machine_clock) as service:
            handler: Handler

            def machine() -> datetime:
                return handler.machine()

            worker = Worker(service, worker_settings, pool, KnownDatabase(), broker, source, now=machine)
            handler = Handler(broker, pool, identities, worker)
            if known is not None:
                worker._snapshot.value = known
            await worker._chain.begin(pool, machine_clock())
            stopping = asyncio.Event()
            async with TestKafkaBroker(broker):
                turns = asyncio.create_task(worker._loop.run(source, stopping))
                yield handler
                stopping.set()
                await turns
