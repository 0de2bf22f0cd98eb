"""Cases in PostgreSQL: what is saved is loaded, two writers conflict, and no step back is stored."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from databases import administer
from figures import figure, figures_of
from servicecert_intake.domain.case import Case
from servicecert_intake.domain.deadlines import lapse_time
from servicecert_intake.service import MIGRATIONS, NAME, open_service
from servicecert_intake.settings import Settings
from servicecert_intake.storage.store import CaseStore
from servicecert_pki.serials import serial_hex
from servicecert_schemas.case import CaseState
from servicecert_worker.core.decider import Conflict, Connection, Stored
from services.intake.steps import ALLOWED_TRANSITIONS

STORE = CaseStore()
CASE_IDS = [UUID(int=number) for number in range(1, 31)]
WAYS = (
    ("submitted without request",),
    ("submitted wrongly", "withdrawn"),
    ("submitted", "issued", "orderer has it", "contact has it", "to be revoked", "not revoked"),
)


@pytest.fixture
async def pool(service_pool):
    return await service_pool(NAME, MIGRATIONS)


@pytest.fixture
async def connection(pool):
    async with pool.acquire() as connection:
        yield connection


def stored(case: Case, version: int = 0, key: str | None = None) -> Stored[Case]:
    return Stored(key or str(case.case_id), version, case)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[-1])
async def test_a_case_is_loaded_as_it_was_saved(connection, after, way):
    case = after(*way)
    await STORE.save(connection, [stored(case)])
    assert await STORE.load(connection, [str(case.case_id), "crl/production-ec/0"]) == [stored(case, 1)]


async def test_many_cases_are_saved_and_loaded_at_once(connection, cases):
    changed = [stored(case) for case in cases]
    await STORE.save(connection, changed)
    loaded = await STORE.load(connection, [each.key for each in changed])
    assert {each.key: each.state for each in loaded} == {each.key: each.state for each in changed}
    await STORE.save(connection, loaded)
    assert {each.version for each in await STORE.load(connection, [each.key for each in changed])} == {2}


async def test_I12_two_writers_of_a_version_conflict(connection, cases):
    await STORE.save(connection, [stored(cases[0])])
    with pytest.raises(Conflict):
        await STORE.save(connection, [stored(cases[0]), stored(cases[1])])
    with pytest.raises(Conflict):
        await STORE.save(connection, [stored(cases[0], 2)])


async def test_a_case_that_was_loaded_and_is_gone_conflicts(connection, cases):
    with pytest.raises(Conflict):
        await STORE.save(connection, [stored(cases[0], 1)])


async def test_E1_the_database_refuses_every_step_that_is_not_foreseen(pool, connection, cases):
    checks = ("cases_check", *(f"cases_check{number}" for number in range(1, 5)))
    await administer(pool, ";".join(f"ALTER TABLE cases DROP CONSTRAINT IF EXISTS {check}" for check in checks))
    await STORE.save(connection, [stored(cases[0])])
    allowed = set()
    for old in CaseState:
        put = f"UPDATE cases SET state = '{old}'"
        trigger = "ALTER TABLE cases {} TRIGGER no_step_back"
        await administer(pool, f"{trigger.format('DISABLE')}; {put}; {trigger.format('ENABLE')}")
        allowed |= {(old, new) for new in CaseState if old is not new and await steps(connection, new)}
    assert allowed == {(old, new) for old, targets in ALLOWED_TRANSITIONS.items() for new in targets}


async def steps(connection: Connection, new: CaseState) -> bool:
    """Return whether the database allows the case to go to `new`; the change is rolled back."""
    change = connection.transaction()
    await change.start()
    try:
        await connection.execute("UPDATE cases SET state = $1::text::case_state", new)
    except asyncpg.CheckViolationError:
        return False
    finally:
        await change.rollback()
    return True


@pytest.mark.parametrize("state", [CaseState.ISSUED, CaseState.DELIVERED, CaseState.REVOKED, CaseState.ACCEPTED])
async def test_E1_no_state_is_stored_without_what_it_stands_for(connection, after, state):
    await STORE.save(connection, [stored(after("submitted without request"))])
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("UPDATE cases SET state = $1::text::case_state", state)


async def test_the_service_reads_what_happens_to_cases(service_pool):
    pool = await service_pool(NAME, MIGRATIONS)
    async with open_service(Settings(), pool) as service:
        assert service.name == NAME
        assert {topic.name for topic in service.reads} == {
            "applications",
            "certificates",
            "certificate-status",
            "notifications",
        }
        assert [topic.name for topic in service.snapshot.topics] == ["registers", "accounts"]


@pytest.fixture
def cases(after) -> list[Case]:
    """Some cases of different ids."""
    return [numbered(after(*WAYS[number % 3]), number) for number in range(len(CASE_IDS))]


def numbered(case: Case, number: int) -> Case:
    """Return the case with another id and, if any, another certificate."""
    certificate = case.certificate and case.certificate.model_copy(update={"serial": serial_hex(number + 1).lower()})
    return replace(case, case_id=CASE_IDS[number], certificate=certificate)


async def test_I3_a_certificate_is_stored_in_one_case(connection, cases):
    one, other = cases[2], replace(cases[5], certificate=cases[2].certificate)
    await STORE.save(connection, [stored(one)])
    with pytest.raises(asyncpg.UniqueViolationError):
        await STORE.save(connection, [stored(other)])


async def test_E2_the_clocks_that_run_are_counted_and_the_first_end_is_told(service_pool, after):
    pool = await service_pool(NAME, MIGRATIONS)
    ways = {
        1: ("submitted without request",),
        2: ("submitted wrongly",),
        3: ("submitted",),
        4: ("submitted", "issued"),
        5: ("submitted", "issued", "orderer has it", "contact has it"),
        6: ("submitted wrongly", "withdrawn"),
    }
    cases = {number: replace(after(*way), case_id=UUID(int=number)) for number, way in ways.items()}
    assert cases[5].certificate is not None
    another = cases[5].certificate.model_copy(update={"serial": "0b" * 16})
    cases[5] = replace(cases[5], certificate=another)
    late = cases[4].due - timedelta(days=9)
    cases[4] = replace(cases[4], due=late)
    async with pool.acquire() as connection, connection.transaction():
        await STORE.save(connection, [stored(case) for case in cases.values()])
    now = late + timedelta(hours=1)
    shown = await figures_of(pool, now)
    assert shown["servicecert_clocks_open"] == {"completion": 2, "delivery": 2}
    lapses = lapse_time(cases[1].entered[0].at)
    assert shown["servicecert_clock_left_seconds"] == {"completion": (lapses - now).total_seconds(), "delivery": -3600}
    # Every recipient's mail was given up: near its end it is told, and once it is late it hides no other.
    delivered = after(*ways[5]).deliveries
    refused = tuple(each.model_copy(update={"delivered": False, "reason": "refused"}) for each in delivered)
    cases[4] = replace(cases[4], deliveries=refused)
    async with pool.acquire() as connection, connection.transaction():
        await STORE.save(connection, [stored(cases[4], 1)])
    assert await figure(pool, now, "clock_left_seconds") == {
        "completion": (lapses - now).total_seconds(),
        "delivery": (cases[3].due - now).total_seconds(),
    }
    assert (await figure(pool, late - timedelta(hours=1), "clock_left_seconds"))["delivery"] == 3600
    # The end of a month, and both changes of the clocks.
    for at in ("2026-08-31T10:00:00Z", "2027-08-31T21:30:00Z", "2026-09-25T12:00:00Z", "2026-03-27T22:30:00Z"):
        entered = (cases[1].entered[0].model_copy(update={"at": datetime.fromisoformat(at)}),)
        await administer(pool, "delete from cases")
        async with pool.acquire() as connection, connection.transaction():
            await STORE.save(connection, [stored(replace(cases[1], entered=entered))])
        left = await figure(pool, now, "clock_left_seconds")
        assert left == {"completion": (lapse_time(entered[0].at) - now).total_seconds()}, at
    await administer(pool, "delete from cases")
    shown = await figures_of(pool, now)
    assert shown["servicecert_clocks_open"] == {"completion": 0, "delivery": 0}
    assert "servicecert_clock_left_seconds" not in shown
