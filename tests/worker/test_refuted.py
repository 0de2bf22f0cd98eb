"""Facts that no longer hold: the turn is retried with its events examined again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicecert_schemas.codec import to_record
from servicecert_worker.core.decider import Event, Examined, Facts, FactsInvalid, Result, Rules, Service, Tables
from servicecert_worker.core.fold import Item, Stuck
from servicecert_worker.core.record import Arrival, Poison, Record
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.runtime import loop
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.turn import TurnResult
from toy.service import Act
from toy.stand import numbered

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Found(Facts):
    """The toy's facts: a drawn number, or a word as replacement."""

    what: int | str


@dataclass
class Draws:
    """A service that draws a number for each event, and turns that reject some of the numbers."""

    rejections: Sequence[Exception]
    turns: list[list[Any]] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))
    unavailable: list[str | None] = field(default_factory=list)

    def examine(self, events: Sequence[Event]) -> Sequence[Event]:
        return [replace(event, facts=Found(next(self.numbers))) for event in events]

    async def take(self, items: Sequence[Item], _: datetime) -> TurnResult:
        self.unavailable.append(self.loop.unavailable)
        self.turns.append(
            [item.what.facts.what for item in items if isinstance(item, Arrival) and isinstance(item.what, Event)]
        )
        self.results += [
            item.data.facts.what for item in items if isinstance(item, Result) and isinstance(item.data, Examined)
        ]
        if len(self.turns) <= len(self.rejections):
            raise self.rejections[len(self.turns) - 1]
        return TurnResult((), 0, frozenset(), (), ())

    async def recover(self) -> None:
        pass

    def __post_init__(self) -> None:
        service: Service[Any, Any] = Service("toy", (), Rules(None, self.examine), Tables(None))
        self.loop: Loop[Any, Any] = Loop(
            service, 10, self.take, lambda *_: None, self.recover, lambda: NOW, Verifier({})
        )


def arrival(case: UUID) -> Arrival:
    ((_, event),) = numbered(case, "1")
    message = to_record(event, source="/e-service", id=uuid4(), time=NOW)
    record = Record(message.topic, 0, 0, message.key, message.headers, message.value, NOW)
    return Arrival(record, Event(uuid4(), str(case), event, NOW))


class NoSource:
    """A source without records."""

    def take(self, _: int) -> list[Record]:
        return []

    def handled(self, _: Sequence[Record]) -> None:
        pass


async def take_turn(draws: Draws, *items: Arrival | Result) -> None:
    for item in items:
        if isinstance(item, Result):
            draws.loop.give_result(item)
        else:
            draws.loop.give([item])
    await draws.loop.round(NoSource(), 0)


async def test_events_are_examined_again_until_the_turn_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    draws = Draws([FactsInvalid("A number is taken."), FactsInvalid("A number is taken.")])
    await take_turn(draws, arrival(uuid4()), arrival(uuid4()))
    assert draws.turns == [[1, 2], [3, 4], [5, 6]]
    assert draws.unavailable == [None, "A number is taken.", "A number is taken."]
    assert draws.loop.unavailable is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_replacements_stay_through_later_retries() -> None:
    one, other = uuid4(), uuid4()
    draws = Draws(
        [
            FactsInvalid("x", {str(one): Found("taken")}),
            FactsInvalid("y", {str(other): Found("gone")}),
            FactsInvalid("z"),
        ]
    )
    await take_turn(draws, arrival(one), arrival(other))
    assert draws.turns == [[1, 2], ["taken", 2], ["taken", "gone"], ["taken", "gone"]]


async def test_F5_many_replaced_facts_delay_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that many accepted applications have may be exposed meanwhile, and the database names one at a time."""

    async def once() -> AsyncIterator[int]:
        yield 0
        raise AssertionError("It pauses.")

    monkeypatch.setattr(loop, "backoff", once)
    cases = [uuid4() for _ in range(9)]
    draws = Draws([FactsInvalid("x", {str(case): Found("taken")}) for case in cases])
    await take_turn(draws, *map(arrival, cases), arrival(uuid4()))
    assert draws.turns[-1] == [*["taken"] * 9, 10]
    assert draws.loop.unavailable is None


async def test_poison_is_left_as_it_is() -> None:
    draws = Draws([FactsInvalid("x", {"poisoned": Found("facts")})])
    await take_turn(draws, replace(arrival(uuid4()), what=Poison(uuid4(), "poisoned", "reason", "error")))
    assert draws.turns == [[], []]


async def test_a_result_with_facts_gets_its_replacement() -> None:
    draws = Draws([FactsInvalid("x", {"case": Found("taken")})])
    await take_turn(draws, Result(uuid4(), "case", "examine", Examined(facts=Found("drawn"))))
    assert draws.results == ["drawn", "taken"]


async def test_a_result_with_invalid_facts_is_postponed_and_blocks_no_others() -> None:
    invalid = FactsInvalid("A number is taken.")
    draws = Draws([invalid] * 2)
    await take_turn(draws, arrival(uuid4()), Result(uuid4(), "case", "act", Act(case_id="a", number="1")))
    assert draws.turns == [[1], [], [1]]
    assert (draws.loop.stuck, draws.loop.unavailable) == (1, None)


async def test_many_stuck_results_delay_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def once() -> AsyncIterator[int]:
        yield 0
        raise AssertionError("It pauses.")

    monkeypatch.setattr(loop, "backoff", once)
    results = [Result(uuid4(), "case", "act", Act(case_id="a", number="1")) for _ in range(30)]
    draws = Draws([Stuck(each, ValueError()) for each in results])
    await take_turn(draws, arrival(uuid4()), *results)
    assert draws.turns == [[1]] * 31
    assert draws.loop.stuck == 30


async def test_a_postponed_result_counts_as_stuck_until_a_turn_succeeds() -> None:
    result = Result(uuid4(), "case", "act", Act(case_id="a", number="1"))
    draws = Draws([FactsInvalid("A number is taken.")] * 2)
    await take_turn(draws, result)
    draws.loop._retry(result)
    await draws.loop.round(NoSource(), 0)
    assert draws.loop.stuck == 1
    draws.loop._retry(result)
    await draws.loop.round(NoSource(), 0)
    assert draws.loop.stuck == 0
