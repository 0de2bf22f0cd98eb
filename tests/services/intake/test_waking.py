"""A11: when the registers change, waiting cases are woken once each, spread over time. On a real database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from servicecert_intake.domain.case import REASSESS
from servicecert_intake.domain.registers.snapshot import NO_REGISTERS
from servicecert_intake.service import MIGRATIONS, NAME
from servicecert_intake.storage import store
from servicecert_intake.storage.store import CaseStore
from servicecert_worker.core.decider import Stored

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NIGHT = NOW + timedelta(hours=16)


@pytest.fixture
async def pool(service_pool):
    return await service_pool(NAME, MIGRATIONS)


@pytest.fixture
def add(pool, submit):
    """Store a case that waits until the night, judged by some registers."""

    async def add(number: int, judged_by: str = "others", at: datetime = NIGHT, kind: str = REASSESS) -> str:
        case = replace(
            submit(unit_long_name="Uudensadun apteekki").state, case_id=UUID(int=number), judged_by=judged_by
        )
        key = str(case.case_id)
        async with pool.acquire() as connection:
            await CaseStore().save(connection, [Stored(key, 0, case)])
        await pool.execute("insert into deadlines (key, kind, id, at) values ($1, $2, $3, $4)", key, kind, uuid4(), at)
        return key

    return add


async def due(pool) -> dict[str, datetime]:
    return {row["key"]: row["at"] for row in await pool.fetch("select key, at from deadlines")}


async def test_A11_cases_that_other_registers_judged_are_woken_once(pool, add):
    keys = [await add(number) for number in range(1, 6)]
    assert await store.wake(pool, NO_REGISTERS, NOW) == 5
    woken = await due(pool)
    assert sorted(woken) == keys
    assert len({*woken.values()}) == 5
    assert all(NOW < at <= NOW + store.SPREAD for at in woken.values())
    assert await store.wake(pool, NO_REGISTERS, NOW) == 0
    assert await due(pool) == woken


async def test_A11_cases_that_these_registers_judged_and_other_deadlines_stay(pool, add):
    await add(1, judged_by=NO_REGISTERS.fingerprint)
    await add(2, at=NOW + timedelta(seconds=10))
    await add(3, kind="another")
    before = await due(pool)
    assert await store.wake(pool, NO_REGISTERS, NOW) == 0
    assert await due(pool) == before


async def test_A11_a_case_that_is_in_a_turn_is_left_for_the_next_time(pool, add):
    held, free = await add(1), await add(2)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select 1 from deadlines where key = $1 for update", held)
        assert await store.wake(pool, NO_REGISTERS, NOW) == 1
    assert (await due(pool))[free] < NIGHT == (await due(pool))[held]
    assert await store.wake(pool, NO_REGISTERS, NOW) == 1


async def test_A11_very_many_cases_are_woken_in_portions(pool, add, monkeypatch):
    monkeypatch.setattr(store, "AT_ONCE", 2)
    for number in range(1, 6):
        await add(number)
    moments = (NOW + store.SPREAD * number for number in range(4))
    assert [await store.wake(pool, NO_REGISTERS, moment) for moment in moments] == [2, 2, 1, 0]
