"""Tombstones in compacted topics need no turn (E3); other records without a value are parked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from servicecert_schemas import topics
from servicecert_worker.core.fold import Item
from servicecert_worker.core.record import Arrival, Poison, Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.turn import TurnResult
from toy import service as toy

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class ListSource(list[Record]):
    """A source that holds these records."""

    def take(self, _: int) -> list[Record]:
        records = list(self)
        self.clear()
        return records

    def handled(self, records: Sequence[Record]) -> None:
        assert len(records) == 2


async def test_E3_a_tombstone_is_skipped_and_any_other_empty_one_is_parked() -> None:
    stopping = asyncio.Event()
    handled_items: list[Item] = []

    async def take(items: Sequence[Item], now: datetime) -> TurnResult:
        handled_items.extend(items)
        stopping.set()
        return TurnResult((), 0, frozenset(), (), ())

    async def recover() -> None:
        """There is nothing to recover."""

    service = replace(toy.toy(Path(os.devnull), 0), reads=(topics.CASES, topics.APPLICATIONS))
    loop = Loop(service, 10, take, lambda *_: None, recover, lambda: NOW, Verifier({}, "x."))
    source = ListSource(Record(f"x.{name}", 0, 0, b"k", (), None, NOW) for name in ("cases", "applications"))
    await loop.run(source, stopping)
    (arrival,) = handled_items
    assert isinstance(arrival, Arrival)
    assert isinstance(arrival.what, Poison)
    assert arrival.record.topic == "x.applications"
