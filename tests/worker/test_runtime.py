"""The runtime with good events, against a real broker and database."""

from __future__ import annotations

from uuid import uuid4

import pytest
from toy.stand import Stand, numbered

pytestmark = pytest.mark.usefixtures("measured_processes")


async def test_I5_what_happens_to_a_case_keeps_its_order(stand: Stand) -> None:
    cases = [uuid4() for _ in range(20)]
    stand.work()
    for text in "12345":
        await stand.send([event for case in cases for event in numbered(case, text)])
    await stand.wait_handled(100)
    codes = await stand.codes()
    assert {case: [c for c in codes[case] if c.startswith("n")] for case in cases} == {
        case: ["n1", "n2", "n3", "n4", "n5"] for case in cases
    }
    assert all(sorted(codes[case])[:5] == [f"acted-{n}" for n in "12345"] for case in cases)
    assert await stand.fetchval("select count(*) from parked") == 0


async def test_I2_an_event_that_comes_again_has_one_effect(stand: Stand) -> None:
    case = uuid4()
    events = numbered(case, "1", "2")
    stand.work()
    await stand.send(events * 5)
    await stand.wait_handled(2)
    await stand.send(events)
    await stand.send(numbered(case, "3"))
    await stand.wait_handled(3)
    assert [c for c in (await stand.codes())[case] if c.startswith("n")] == ["n1", "n2", "n3"]
    assert await stand.fetchval("select body->>'numbers' from tally") == '["1", "2", "3"]'


async def test_irrelevant_events_are_skipped(stand: Stand) -> None:
    stand.work()
    await stand.send(numbered(uuid4(), "skip", "1", "skip"))
    await stand.wait_handled(1)
    assert await stand.fetchval("select body->>'numbers' from tally") == '["1"]'


async def test_a_decision_that_changes_nothing_stores_nothing(stand: Stand) -> None:
    stand.work()
    await stand.send(numbered(uuid4(), "ignore"))
    await stand.wait_handled(1)
    assert await stand.fetchval("select count(*) from tally") == 1
    assert await stand.fetchval("select version from tally") == 1
