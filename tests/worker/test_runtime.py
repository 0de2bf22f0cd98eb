"""The runtime with good events, against a real broker and database."""

from __future__ import annotations

from uuid import uuid4

import pytest
from servicecert_schemas.certificate import IssuingRefused
from servicecert_schemas.topics import CERTIFICATES
from toy import service as toy
from toy.stand import Stand, eventually, numbered

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


async def test_F2_what_a_turn_decided_is_signed_and_what_is_written_into_the_outbox_is_not(stand: Stand) -> None:
    stand.work()
    await stand.send(numbered(uuid4(), "1"))
    await stand.wait_handled(1)
    (refused,) = [data for _, data in await stand.published() if isinstance(data, IssuingRefused)][:1]
    forged = refused.model_copy(update={"case_id": uuid4()})
    await stand.pool.execute(
        "insert into events (topic, key, event_id, type, at, payload) values ($1, $2, $3, $4, now(), $5)",
        *(CERTIFICATES.name, forged.key(), uuid4(), forged.TYPE, forged.model_dump_json().encode()),
    )

    async def all_published() -> bool:
        return len(await stand.records(CERTIFICATES.name)) == 3

    await eventually(all_published)
    verifier = stand.identities.verifier(stand.prefix)
    signed = {
        (it.key.decode(), verifier.is_from(toy.NAME, it.topic, it.key, it.headers, it.value))
        for it in await stand.records(CERTIFICATES.name)
    }
    assert signed == {(refused.key(), True), (forged.key(), False)}
