"""The mail ledger in the database."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from servicecert_notifier.decide import decide
from servicecert_notifier.service import MIGRATIONS, NAME
from servicecert_notifier.store import LedgerStore
from servicecert_notifier.task import MailState
from servicecert_worker.decider import Conflict, Stored

STORE = LedgerStore()


@pytest.fixture
async def connection(service_pool):
    pool = await service_pool(NAME, MIGRATIONS)
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
def ledgers(issued, revoked, heard, now):
    """Ledgers of some cases, each with several planned mails of two kinds."""

    def make(count):
        made = []
        for _ in range(count):
            case = {"case_id": uuid4()}
            first = decide(None, heard(issued.model_copy(update=case)), None, now).state
            made.append(decide(first, heard(revoked.model_copy(update=case)), None, now).state)
        return made

    return make


def settled(ledger, now, place=0):
    row = ledger.rows[place]
    return ledger.with_settled(
        replace(row, state=MailState.REFUSED, attempts=2, answer="550 5.1.1", settled_at=now + timedelta(seconds=9))
    )


async def test_ledgers_come_back_as_they_were_saved(connection, ledgers):
    made = ledgers(3)
    await STORE.save(connection, [Stored(str(ledger.case_id), 0, ledger) for ledger in made])
    keys = [str(ledger.case_id) for ledger in made]
    loaded = await STORE.load(connection, [*keys, str(uuid4()), "crl/production-ec/0"])
    assert {stored.key: (stored.version, stored.state) for stored in loaded} == {
        key: (1, ledger) for key, ledger in zip(keys, made, strict=True)
    }


@pytest.mark.parametrize(
    "key", ["certificates/0/104", "", "crl/test-ec/0", "A" * 36, "728DA14B-6256-4109-BC06-D184911E1327"]
)
async def test_I6_the_key_of_a_record_that_is_no_event_has_no_ledger(connection, ledgers, key):
    (ledger,) = ledgers(1)
    await STORE.save(connection, [Stored(str(ledger.case_id), 0, ledger)])
    loaded = await STORE.load(connection, [key, str(ledger.case_id)])
    assert [stored.key for stored in loaded] == [str(ledger.case_id)]


async def test_a_settled_row_is_saved_with_the_next_version(connection, ledgers, now):
    (ledger,) = ledgers(1)
    key = str(ledger.case_id)
    await STORE.save(connection, [Stored(key, 0, ledger)])
    await STORE.save(connection, [Stored(key, 1, settled(ledger, now))])
    (stored,) = await STORE.load(connection, [key])
    assert (stored.version, stored.state) == (2, settled(ledger, now))


@pytest.mark.parametrize("version", [0, 2])
async def test_another_version_is_a_conflict(connection, ledgers, now, version):
    one, other = ledgers(2)
    await STORE.save(connection, [Stored(str(ledger.case_id), 0, ledger) for ledger in (one, other)])
    changed = [Stored(str(one.case_id), 1, settled(one, now)), Stored(str(other.case_id), version, settled(other, now))]
    with pytest.raises(Conflict):
        async with connection.transaction():
            await STORE.save(connection, changed)
    loaded = await STORE.load(connection, [str(one.case_id), str(other.case_id)])
    assert {stored.version for stored in loaded} == {1}


async def test_C3_the_database_refuses_a_second_row_for_one_mail(connection, ledgers):
    (ledger,) = ledgers(1)
    twice = ledger.with_planned((replace(ledger.rows[0], mail_id=uuid4()),))
    with pytest.raises(asyncpg.UniqueViolationError, match="one_mail"):
        await STORE.save(connection, [Stored(str(ledger.case_id), 0, twice)])


async def test_I9_a_settled_row_is_final_in_the_database(connection, ledgers, now):
    (ledger,) = ledgers(1)
    key = str(ledger.case_id)
    await STORE.save(connection, [Stored(key, 0, settled(ledger, now))])
    other = ledger.with_settled(replace(settled(ledger, now).rows[0], state=MailState.GIVEN_UP))
    await STORE.save(connection, [Stored(key, 1, other)])
    (stored,) = await STORE.load(connection, [key])
    assert stored.state == settled(ledger, now)


async def test_E3_no_address_is_in_the_database(connection, ledgers):
    (ledger,) = ledgers(1)
    await STORE.save(connection, [Stored(str(ledger.case_id), 0, ledger)])
    assert "@" not in await connection.fetchval("select string_agg(m::text, ' ') from mails m")
