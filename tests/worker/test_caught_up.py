"""What was written before a moment counts as heard once it is handled, and not before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from servicecert_worker.kafka.caught_up import is_caught_up
from servicecert_worker.kafka.cluster import Cluster
from toy import service as toy
from toy.stand import Stand, eventually, numbered

STEP = timedelta(milliseconds=1)


async def test_A12_what_is_written_is_heard_when_it_is_handled(stand: Stand) -> None:
    case = uuid4()
    worker = stand.work()
    await stand.send(numbered(case, "1"))
    await stand.settled(1)
    assert await asyncio.to_thread(worker.stop, 10) == 0
    before = datetime.now(UTC) - STEP
    await stand.send(numbered(case, "2"))
    after = datetime.now(UTC) + STEP

    async def is_heard(until: datetime) -> bool:
        return await is_caught_up(Cluster(stand.bootstrap, stand.prefix), toy.NAME, until)

    assert await is_heard(before)
    assert not await is_heard(after)
    stand.work()
    await stand.settled(2)
    await eventually(lambda: is_heard(after))


async def test_without_a_broker_nobody_knows() -> None:
    assert not await is_caught_up(Cluster("127.0.0.1:1"), toy.NAME, datetime.now(UTC))
