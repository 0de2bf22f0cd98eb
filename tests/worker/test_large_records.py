"""F5: large records are read outside the event loop, however few they are; small ones in it, if they are few."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import Any, ClassVar
from uuid import UUID

import pytest
from servicecert_schemas.codec import Headers
from servicecert_schemas.topics import APPLICATIONS, MAX_EVENT_BYTES
from servicecert_worker.core.fold import Item
from servicecert_worker.core.record import Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import Follower
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.parking import released
from servicecert_worker.runtime.turn import TurnResult
from toy import service as toy

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FETCHES = pytest.mark.parametrize(
    ("sizes", "elsewhere"),
    [([MAX_EVENT_BYTES], True), ([2_000] * 4, False), ([2_000] * 5, True), ([10_000] * 2, True)],
)


class Noting(Verifier):
    """Notes in which threads records are read."""

    threads: ClassVar[set[Thread]] = set()

    def verify(self, topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bool:
        self.threads.add(current_thread())
        return super().verify(topic, key, headers, value)


@pytest.fixture
def verifier() -> Noting:
    Noting.threads.clear()
    return Noting({})


def records_of(sizes: list[int]) -> list[Record]:
    return [Record(APPLICATIONS.name, 0, place, b"k", (), b" " * size, NOW) for place, size in enumerate(sizes)]


@FETCHES
async def test_f5_a_turn_reads_large_records_outside_the_event_loop(
    verifier: Noting, sizes: list[int], elsewhere: bool
) -> None:
    class Fetched(list[Record]):
        def take(self, _: int) -> Sequence[Record]:
            return self

        def handled(self, records: Sequence[Record]) -> None:
            assert len(records) == len(sizes)

    async def run_turn(items: Sequence[Item], _: datetime) -> TurnResult:
        assert len(items) == len(sizes)
        return TurnResult((), 0, frozenset(), (), ())

    async def recover() -> None:
        """There is nothing to recover."""

    loop = Loop(
        replace(toy.toy(Path(os.devnull), 0), reads=(APPLICATIONS,)),
        10,
        run_turn,
        lambda *_: None,
        recover,
        lambda: NOW,
        verifier,
    )
    await loop.round(Fetched(records_of(sizes)), 10)
    assert (main_thread() not in verifier.threads) == elsewhere


@FETCHES
async def test_f5_a_follower_reads_large_records_outside_the_event_loop(
    verifier: Noting, sizes: list[int], elsewhere: bool
) -> None:
    async def reached(_: datetime) -> None:
        """Nobody asks."""

    follower = Follower(Broker(Cluster("localhost:1"), "toy"), [APPLICATIONS], lambda _: None, reached, verifier)
    await follower.receive(records_of(sizes))
    assert follower.skipped.total() == len(sizes)
    assert (main_thread() not in verifier.threads) == elsewhere


async def test_f5_released_records_are_read_outside_the_event_loop(verifier: Noting) -> None:
    row = {
        "seq": 1,
        "event_id": UUID(int=1),
        "key": "k",
        "topic": APPLICATIONS.name,
        "partition": 0,
        "offset": 0,
        "last_offset": None,
        "record_key": b"k",
        "headers": "[]",
        "value": b" " * MAX_EVENT_BYTES,
        "reason": "too-large",
        "attempts": 1,
        "first_at": NOW,
        "kept": True,
    }

    class Connection:
        async def fetch(self, *_: object) -> list[dict[str, Any]]:
            return [row]

    (arrival,) = await released(Connection(), 20, verifier)
    assert arrival.key == "k"
    assert main_thread() not in verifier.threads
