"""The way in from Kafka where a client fails in a manner that no broker can be made to show at will."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition
from servicecert_worker.kafka import source
from servicecert_worker.runtime.record import Record

PARTITION = TopicPartition("applications", 0)


class Consumer:
    """A consumer that is done with its start, fetches nothing, and whose commits end as `ends` says, one after the other."""

    def __init__(self, ends: list[BaseException | None]) -> None:
        self._ends = ends
        self.committed: asyncio.Queue[int] = asyncio.Queue()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def subscribe(self, *_: Any, **__: Any) -> None:
        pass

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def getmany(self, **_: Any) -> dict[TopicPartition, Any]:
        await asyncio.Event().wait()
        return {}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self._ends and (end := self._ends.pop(0)) is not None:
            raise end
        self.committed.put_nowait(offsets[PARTITION])


def opened(consumers: list[Consumer], monkeypatch: pytest.MonkeyPatch) -> source.Source:
    """A source that opens these consumers, and whose record 6 is handled."""
    monkeypatch.setattr(source, "AIOKafkaConsumer", lambda **_: consumers.pop(0))
    monkeypatch.setattr(source, "_COMMIT_SECONDS", 0)
    made = source.Source([PARTITION.topic], "toy", "nowhere:1", 30, lambda: None, lambda: 1)
    made.handled([Record(PARTITION.topic, 0, 6, None, [], None, datetime.now(UTC))])
    return made


@pytest.mark.parametrize("fault", [asyncio.CancelledError(), ConnectionResetError()], ids=["cancelled", "reset"])
async def test_offsets_are_committed_after_a_commit_that_the_client_gave_up(fault, monkeypatch) -> None:
    consumer = Consumer([fault])
    reading = asyncio.create_task(opened([consumer], monkeypatch).run())
    async with asyncio.timeout(30):
        assert await consumer.committed.get() == 7
    reading.cancel()
    await asyncio.wait([reading])


async def test_a_commit_that_fails_by_a_defect_ends_the_reading(monkeypatch) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(ZeroDivisionError):
            await opened([Consumer([ZeroDivisionError(), ZeroDivisionError()])], monkeypatch).run()
