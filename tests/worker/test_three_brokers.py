"""With three brokers and two in-sync replicas, as in production, one may die; after two deaths workers wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from recycling import Migrated
from servicecert_launcher import Kafka, Parts
from toy import service as toy
from toy.brokers import COUNT, three_brokers
from toy.stand import Stand, assert_exact, numbered

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("measured_processes")]


@pytest.fixture(scope="module")
def brokers() -> Iterator[list[Kafka]]:
    with three_brokers() as started:
        yield started


@pytest.fixture
async def stand(
    parts: Parts, migrated: Callable[..., Migrated], tmp_path: Path, brokers: list[Kafka]
) -> AsyncIterator[Stand]:
    bootstrap = ",".join(broker.bootstrap for broker in brokers)
    url = migrated(toy=[toy.MIGRATIONS]).urls[toy.NAME]
    stand = Stand(replace(parts, bootstrap=bootstrap), url, tmp_path)
    await stand.open(replication=COUNT, min_in_sync=2)
    yield stand
    await stand.close()


async def test_I1_I2_each_broker_in_turn_dies_and_the_others_go_on(stand: Stand, brokers: list[Kafka]) -> None:
    cases: dict[UUID, list[str]] = {uuid4(): [str(place) for place in range(COUNT)] for _ in range(40)}
    workers = [stand.work(SERVICECERT_BATCH="10") for _ in range(2)]
    for place, broker in enumerate(brokers):
        await asyncio.to_thread(broker.kill)
        await stand.send([event for case in cases for event in numbered(case, cases[case][place])])
        await stand.wait_handled(len(cases) * (place + 1))
        await asyncio.to_thread(broker.restart)
    await assert_exact(stand, cases)
    assert all(worker.alive for worker in workers)


async def test_I1_two_brokers_that_die_are_waited_for(stand: Stand, brokers: list[Kafka]) -> None:
    cases: dict[UUID, list[str]] = {uuid4(): ["1", "2"] for _ in range(40)}
    worker = stand.work(SERVICECERT_BATCH="10")
    await stand.send([event for case in cases for event in numbered(case, "1")])
    for broker in brokers[:2]:
        await asyncio.to_thread(broker.kill)
    late = asyncio.create_task(stand.send([event for case in cases for event in numbered(case, "2")]))
    await asyncio.gather(*(asyncio.to_thread(broker.restart) for broker in brokers[:2]))
    await late
    await assert_exact(stand, cases)
    assert worker.alive
