"""What the notifier reads from its tables for reminders, with a real database (A14, C4)."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from figures import figure
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.pace import Limits
from servicecert_notifier.domain.reminders import NOTHING_PREPARED, REMIND
from servicecert_notifier.storage.prepare import Prepare
from servicecert_notifier.storage.store import LedgerStore
from servicecert_schemas.mail import MailKind
from servicecert_worker.core.decider import Due, Event, Stored

STORE = LedgerStore()


@pytest.fixture
def known(issued, pool):
    """Stored cases with a certificate: each with its own serial number, and its changes."""

    async def make(*changes, **facts):
        made = {}
        for number, change in enumerate(changes):
            data = issued.model_copy(update={"case_id": uuid4(), "serial": f"{number + 1:032x}", **change})
            ledger = decide(
                None, Event(uuid4(), data.key(), data, data.not_before), NOTHING_PREPARED, data.not_before
            ).state
            assert ledger is not None
            made[str(data.case_id)] = replace(ledger, facts=replace(ledger.facts, **facts))
        async with pool.acquire() as connection:
            await STORE.save(connection, [Stored(key, 0, ledger) for key, ledger in made.items()])
        return made

    return make


def due(keys):
    return [Due(uuid4(), key, REMIND, at=None) for key in keys]


async def prepared(pool, ledgers, keys, now, limits=None):
    async with pool.acquire() as connection, connection.transaction():
        prepare = Prepare(limits or Limits(), lambda: now)
        stored = {key: Stored(key, 1, ledger) for key, ledger in ledgers.items()}
        return await prepare(connection, due(keys), stored, NOTHING_PREPARED)


async def test_A14_other_certificates_of_the_account_are_found_by_what_they_follow_and_by_name(pool, known, issued):
    first, *_ = await known({}, {"account_id": "account-9"}, {"subject": "CN=other"})
    follower = await known({"subject": "CN=new"}, follows=f"{1:032x}")
    ledgers = {**(await known({"serial": "ff"})), **follower}
    everything = {first: (await _load(pool, first)), **ledgers}
    now = issued.not_after - timedelta(days=59)
    found = (await prepared(pool, everything, [first], now)).others[first]
    names = {(other.certificate.subject, other.follows) for other in found}
    assert names == {("CN=new", f"{1:032x}"), (issued.subject, None)}
    assert len(found) == 2


async def _load(pool, key):
    async with pool.acquire() as connection:
        (stored,) = await STORE.load(connection, [key])
    return stored.state


async def test_C4_moments_are_given_once_over_turns_workers_and_restarts(pool, known, issued):
    ledgers = await known(*[{"subject": f"CN={number}"} for number in range(6)])
    keys, now = list(ledgers), issued.not_after - timedelta(days=59)
    mails = len(issued.recipients)
    limits = Limits(over_all=60 * mails, to_a_domain=100_000)
    turns = [prepared(pool, ledgers, keys[start::3], now, limits) for start in range(3)]
    slots = [slot for turn in await asyncio.gather(*turns) for slot in turn.slots.values()]
    start = now.replace(second=0, microsecond=0)
    assert sorted(slots) == [now, *(start + timedelta(minutes=number) for number in range(1, 6))]


async def test_C4_what_the_limits_hold_back_is_counted_by_when_it_goes(pool, known, issued):
    ledgers = await known(*[{"subject": f"CN={number}"} for number in range(70)])
    now, mails = issued.not_after - timedelta(days=59), len(issued.recipients)
    assert await figure(pool, now, "reminders_held_back") == {"within an hour": 0.0, "later": 0.0}
    await prepared(pool, ledgers, list(ledgers), now, Limits(over_all=60 * mails, to_a_domain=100_000))
    assert await figure(pool, now, "reminders_held_back") == {
        "within an hour": 60.0 * mails,
        "later": 9.0 * mails,
    }
    later = now + timedelta(hours=2)
    assert await figure(pool, later, "reminders_held_back") == {"within an hour": 0.0, "later": 0.0}


async def test_C4_a_turn_that_is_not_committed_gives_nothing_out(pool, known, issued):
    (key,) = ledgers = await known({})
    now = issued.not_after - timedelta(days=59)
    limits = Limits(over_all=60, to_a_domain=60)
    async with pool.acquire() as connection:
        turn = connection.transaction()
        await turn.start()
        stored = {key: Stored(key, 1, ledgers[key])}
        await Prepare(limits, lambda: now)(connection, due([key]), stored, NOTHING_PREPARED)
        await turn.rollback()
    assert (await prepared(pool, ledgers, [key], now, limits)).slots == {key: now}


async def test_C4_what_was_given_out_long_ago_is_forgotten(pool, known, issued):
    (key,) = ledgers = await known({})
    now = issued.not_after - timedelta(days=59)
    await prepared(pool, ledgers, [key], now)
    await prepared(pool, ledgers, [key], now + timedelta(days=1))
    assert await pool.fetchval("select count(*) from pace_minutes") == 1
    assert await pool.fetchval("select count(*) from paces where filled_until < $1", now + timedelta(days=1)) == 0


async def test_C4_a_moment_that_was_given_stays(pool, known, issued):
    now = issued.not_after - timedelta(days=59)
    ledgers = await known({}, slot=now)
    assert (await prepared(pool, ledgers, list(ledgers), now)).slots == {}


async def test_nothing_is_asked_where_nothing_is_due(pool, known, issued):
    (key,) = ledgers = await known({})
    now = issued.not_after - timedelta(days=59)
    assert await prepared(pool, ledgers, [], now) is NOTHING_PREPARED
    assert (await prepared(pool, ledgers, [key], issued.not_before)).slots == {}
    nobody = {key: replace(ledgers[key], facts=replace(ledgers[key].facts, correspondence=None))}
    assert (await prepared(pool, nobody, [key], now)).slots == {}


async def test_a_case_comes_back_with_what_is_known_of_it(pool, returned, now):
    case = returned.model_copy(update={"recipients": (), "deficiencies": ()})
    ledger = decide(None, Event(uuid4(), case.key(), case, now), NOTHING_PREPARED, now).state
    assert ledger.rows == ()
    async with pool.acquire() as connection:
        await STORE.save(connection, [Stored(case.key(), 0, ledger)])
    assert await _load(pool, case.key()) == ledger


async def test_the_database_knows_every_kind_of_mail(pool):
    rule = await pool.fetchval(
        "select pg_get_constraintdef(oid) from pg_constraint"
        " where conname = 'mails_kind_check' and connamespace = current_schema()::regnamespace"
    )
    assert all(f"'{kind}'" in rule for kind in MailKind)
