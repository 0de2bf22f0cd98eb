"""A service has caught up with a moment once every record written before it is handled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from servicecert_worker.kafka.caught_up import is_caught_up
from servicecert_worker.kafka.cluster import Cluster
from toy import service as toy
from toy.stand import Stand, eventually, numbered

STEP = timedelta(milliseconds=1)


async def test_A12_a_service_has_caught_up_once_the_records_are_handled(stand: Stand) -> None:
    case = uuid4()
    worker = stand.work()
    await stand.send(numbered(case, "1"))
    await stand.wait_handled(1)
    assert await asyncio.to_thread(worker.stop, 10) == 0
    before = datetime.now(UTC) - STEP
    await stand.send(numbered(case, "2"))
    after = datetime.now(UTC) + STEP

    async def caught_up(until: datetime) -> bool:
        return await is_caught_up(Cluster(stand.bootstrap, stand.prefix), toy.NAME, toy.READS, until)

    assert await caught_up(before)
    assert not await caught_up(after)
    stand.work()
    await stand.wait_handled(2)
    await eventually(lambda: caught_up(after))


async def test_without_a_broker_a_service_has_not_caught_up() -> None:
    assert not await is_caught_up(Cluster("127.0.0.1:1"), toy.NAME, toy.READS, datetime.now(UTC))
