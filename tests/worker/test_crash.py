"""Wherever a worker is killed, nothing is lost (I1) or doubled (I2), and no effect precedes its intent (I4)."""

from __future__ import annotations

import random
from uuid import UUID, uuid4

import pytest
from commandline import begun
from servicecert_schemas import topics
from servicecert_worker.core.crash_points import CRASH_POINTS
from toy.stand import Stand, assert_exact, numbered


async def play(stand: Stand, cases: dict[UUID, list[str]]) -> None:
    """Publish the cases' events, three of ten twice."""
    dice = random.Random(7)
    for place in range(max(map(len, cases.values()))):
        events = [event for case, numbers in cases.items() for event in numbered(case, numbers[place])]
        await stand.send(events + [event for event in events if dice.random() < 0.3])


# Only the leader reaches these steps; after its death the next one leads. Only intents of a dead owner are adopted.
DEATHS = {
    "relay-read": ("relay-read:1", "relay-read:1"),
    "relay-journaled": ("relay-journaled:1", "relay-journaled:1"),
    "relay-acked": ("relay-acked:1", "relay-acked:1"),
    "relay-noted": ("relay-noted:1", "relay-noted:1"),
    "due-read": ("due-read:1", "due-read:1"),
    "adopted": ("effect-start:1", "adopted:1"),
}


SHORT = ("decided", "committed", "relay-acked")
"""The steps that `make test` has; `make test-long` has the others."""


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=() if step in SHORT else pytest.mark.long) for step in CRASH_POINTS]
)
async def test_I1_I2_a_worker_killed_at_any_step_loses_and_doubles_nothing(stand: Stand, step: str) -> None:
    cases = {uuid4(): ["1", "2", "3"] for _ in range(20)}
    await play(stand, cases)
    if step in DEATHS:
        for death in DEATHS[step]:
            await stand.wait_dead(stand.work(SERVICECERT_DIE_AT=death, SERVICECERT_BATCH="10"), death)
    else:
        doomed = [stand.work(SERVICECERT_DIE_AT=f"{step}:{count}", SERVICECERT_BATCH="10") for count in (1, 2)]
        for worker in doomed:
            await stand.wait_dead(worker, step)
    stand.work(SERVICECERT_BATCH="10")
    await assert_exact(stand, cases)


async def test_I2_a_replay_from_the_first_record_has_no_second_effect(stand: Stand) -> None:
    cases = {uuid4(): ["1", "2"] for _ in range(10)}
    worker = stand.work()
    await play(stand, cases)
    await assert_exact(stand, cases)
    before = len(await stand.records(topics.CERTIFICATES.name))
    assert worker.stop(60) == 0
    await stand.rewind()
    stand.work()
    more = uuid4()
    await stand.send(numbered(more, "1"))
    await assert_exact(stand, {**cases, more: ["1"]})
    assert len(await stand.records(topics.CERTIFICATES.name)) == before + 2


async def test_I12_two_workers_that_come_and_go_have_the_outcome_of_one(stand: Stand) -> None:
    cases = {uuid4(): [str(n) for n in range(1, 11)] for _ in range(30)}
    first = stand.work(SERVICECERT_BATCH="7")
    await play(stand, cases)
    second = stand.work(SERVICECERT_BATCH="3")
    await stand.wait_until("select count(*) > 50 from inbox")
    first.kill()
    stand.work(SERVICECERT_BATCH="11")
    await stand.wait_until("select count(*) > 100 from inbox")
    await begun([second])
    assert second.stop(60) == 0
    await assert_exact(stand, cases)


@pytest.mark.long
async def test_I1_a_frozen_worker_that_wakes_up_does_no_harm(stand: Stand) -> None:
    cases = {uuid4(): [str(n) for n in range(1, 6)] for _ in range(30)}
    frozen = stand.work(SERVICECERT_BATCH="5")
    await play(stand, cases)
    await stand.wait_until("select count(*) > 10 from inbox")
    frozen.freeze()
    stand.work(SERVICECERT_BATCH="5", SERVICECERT_SESSION_SECONDS="1")
    await stand.wait_until("select count(*) > 100 from inbox")
    frozen.thaw()
    await assert_exact(stand, cases)


async def test_acts_of_a_dead_worker_are_done_also_while_a_backlog_fills_all_room(stand: Stand) -> None:
    """They are older than what is taken in. Acts that do not end keep the room full."""
    dead, _ = (stand.work(SERVICECERT_BATCH="2", TOY_ACT_SECONDS="3600") for _ in range(2))
    await stand.send([event for _ in range(200) for event in numbered(uuid4(), "1")])
    owners = "select count(*) as n from intents group by owner"
    await stand.wait_until(f"select count(*) = 2 from ({owners}) as o where n >= 8")
    before = await stand.pool.fetch("select id, owner from intents")
    dead.kill()
    were = ", ".join(f"('{id}'::uuid, {owner})" for id, owner in before)
    adopted = f"from (values {were}) as w (id, owner) join intents as i using (id) where i.owner <> w.owner"
    await stand.wait_until(f"select exists (select {adopted})")


async def test_f5_acts_that_fail_again_and_again_hold_up_no_others(stand: Stand) -> None:
    """As a CA's key that is away: other cases are read, decided and done."""
    stand.work(SERVICECERT_BATCH="2")
    await stand.send([event for _ in range(30) for event in numbered(uuid4(), "never")])
    await stand.wait_until("select count(*) = 30 from intents")
    other = uuid4()
    await stand.send(numbered(other, "1"))
    await stand.wait_until(
        f"""select exists (select from tally where key = '{other}' and body::json ->> 'acted' <> '[]')"""
    )
