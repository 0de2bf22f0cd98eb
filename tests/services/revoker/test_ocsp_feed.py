"""A responder's feed while Kafka is away: it goes on trying (D8)."""

import asyncio
from datetime import UTC, datetime

import pytest
from servicecert_revoker.ocsp.effects import feed
from servicecert_worker.kafka import clients


async def hangs() -> None:
    await asyncio.Event().wait()


async def is_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("end", [hangs, is_cancelled])
async def test_D8_a_consumer_that_does_not_end_ends_no_responder(end, monkeypatch) -> None:
    tries = asyncio.Semaphore(0)

    class Consumer:
        async def start(self) -> None:
            tries.release()
            raise ConnectionRefusedError

        async def stop(self) -> None:
            await end()

    monkeypatch.setattr(clients, "STOP_SECONDS", 0.01)
    monkeypatch.setattr(feed, "AIOKafkaConsumer", lambda **_: Consumer())
    followed = feed.Feed("nowhere:1", "", lambda *_: None, lambda _: None, lambda: datetime.now(UTC))
    following = asyncio.create_task(followed.run())
    async with asyncio.timeout(30):
        for _ in range(3):
            await tries.acquire()
    assert not following.done()
    following.cancel()
