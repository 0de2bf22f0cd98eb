"""The mail ledger in the database."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from databases import administer
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.pace import Limits
from servicecert_notifier.domain.reminders import NOTHING_PREPARED, Prepared
from servicecert_notifier.domain.task import MailState, Notice, NoticeKind
from servicecert_notifier.effects.bounce_reader import notify
from servicecert_notifier.storage.prepare import Prepare
from servicecert_notifier.storage.store import LedgerStore
from servicecert_worker.core.decider import Conflict, Due, Stored

STORE = LedgerStore()


@pytest.fixture
def ledgers(issued, revoked, as_event, now):
    """Ledgers of some cases, each with several planned mails of two kinds."""

    def make(count):
        made = []
        for _ in range(count):
            case = {"case_id": uuid4()}
            first = decide(None, as_event(issued.model_copy(update=case)), None, now).state
            made.append(decide(first, as_event(revoked.model_copy(update=case)), None, now).state)
        return made

    return make


def settled(ledger, now, place=0):
    row = ledger.rows[place]
    at = now + timedelta(seconds=9)
    refused = replace(row, state=MailState.REFUSED, attempts=2, answer="550 5.1.1", settled_at=at)
    return ledger.with_row(replace(refused, first_tried_at=now, tried_at=at))


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
    twice = replace(ledger, rows=(*ledger.rows, replace(ledger.rows[0], mail_id=uuid4())))
    with pytest.raises(asyncpg.UniqueViolationError, match="one_mail"):
        await STORE.save(connection, [Stored(str(ledger.case_id), 0, twice)])


MOVES = [
    (MailState.PLANNED, MailState.DEFERRED),
    (MailState.PLANNED, MailState.HANDED_OVER),
    (MailState.PLANNED, MailState.REFUSED),
    (MailState.PLANNED, MailState.GIVEN_UP),
    (MailState.DEFERRED, MailState.HANDED_OVER),
    (MailState.DEFERRED, MailState.REFUSED),
    (MailState.DEFERRED, MailState.GIVEN_UP),
    (MailState.DEFERRED, MailState.SUPERSEDED),
    (MailState.SUPERSEDED, MailState.HANDED_OVER),
    (MailState.HANDED_OVER, MailState.BOUNCED),
]


def in_state(row, state, now, attempts):
    """A row in a state."""
    if state is MailState.PLANNED:
        return row
    tried = replace(row, state=state, attempts=attempts, answer="451", first_tried_at=now, tried_at=now)
    if state is MailState.DEFERRED:
        return replace(tried, next_try_at=now)
    extra = {
        MailState.SUPERSEDED: {"superseded_by": uuid4()},
        MailState.BOUNCED: {"bounce": "5.1.1", "bounced_at": now},
    }.get(state, {})
    return replace(tried, settled_at=now, **extra)


async def test_I9_a_row_moves_as_the_state_machine_says_and_not_otherwise(connection, ledgers, now):
    ways = [(before, after) for before in MailState for after in MailState if before is not after]
    made = ledgers(len(ways))
    starts = [
        ledger.with_row(in_state(ledger.rows[0], before, now, 1))
        for (before, _), ledger in zip(ways, made, strict=True)
    ]
    await STORE.save(connection, [Stored(str(each.case_id), 0, each) for each in starts])
    moved = []
    for (before, after), ledger in zip(ways, starts, strict=True):
        changed = ledger.with_row(in_state(made[ways.index((before, after))].rows[0], after, now, 2))
        with suppress(asyncpg.IntegrityConstraintViolationError):
            async with connection.transaction():
                await STORE.save(connection, [Stored(str(ledger.case_id), 1, changed)])
            (stored,) = await STORE.load(connection, [str(ledger.case_id)])
            assert stored.state == changed
            moved.append((before, after))
    assert sorted(moved) == sorted(MOVES)


@pytest.mark.parametrize(
    "change",
    [
        "mail_id = gen_random_uuid()",
        "case_id = gen_random_uuid()",
        "kind = 'expires-in-7-days'",
        "occasion = 'another'",
        "recipient = 'shared-mailbox'",
        "place = place + 8",
        "copy = copy + 1",
        "planned_at = planned_at + interval '1 second'",
        "resends = (select mail_id from mails limit 1)",
    ],
)
async def test_I9_what_a_mail_is_never_changes_in_the_database(pool, connection, ledgers, change):
    """The service's role lacks the right, and the trigger refuses it to who has it."""
    (ledger,) = ledgers(1)
    await STORE.save(connection, [Stored(str(ledger.case_id), 0, ledger)])
    change = f"update mails set {change} where mail_id = '{ledger.rows[0].mail_id}'"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(change)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="stays the mail it is"):
        await administer(pool, change)


async def test_I9_the_trigger_lets_nobody_move_a_mail_but_as_the_state_machine_says(pool, connection, ledgers, now):
    (ledger,) = ledgers(1)
    row = in_state(ledger.rows[0], MailState.HANDED_OVER, now, 1)
    await STORE.save(connection, [Stored(str(ledger.case_id), 0, ledger.with_row(row))])
    change = f"update mails set state = 'refused' where mail_id = '{row.mail_id}'"
    for refused in (connection.execute(change), administer(pool, change)):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="does not become"):
            await refused


async def test_C3_what_is_to_be_sent_is_recalled_for_a_retry_and_for_a_notice(connection, issued, as_event, now):
    decision = decide(None, as_event(issued), None, now)
    key = str(issued.case_id)
    await STORE.save(connection, [Stored(key, 0, decision.state)])
    task = decision.state.rows[0].order
    assert task is not None
    stored = {key: Stored(key, 1, decision.state)}
    prepare = Prepare(Limits(1, 1), lambda: now)

    async def prepared(*happened):
        return await prepare(connection, happened, stored, NOTHING_PREPARED)

    again = await prepared(Due(uuid4(), key, f"try/{task.mail_id}", now))
    assert again.orders == {task.mail_id: task}
    assert again.notices == {}
    notice = Notice(uuid4(), issued.case_id, task.mail_id, NoticeKind.RESEND, "the mailbox was full", now)
    async with connection.transaction():
        assert await notify(connection, notice)
    due = await connection.fetchrow("select key, kind, at from deadlines")
    assert tuple(due) == (key, "notices", now)
    noticed = await prepared(Due(uuid4(), key, "notices", now))
    assert noticed == Prepared(notices={key: (notice,)}, orders={task.mail_id: task})
    assert await prepared(as_event(issued), Due(uuid4(), key, "other", now)) == Prepared()


async def test_a_mail_bounces_once(connection, issued, as_event, now):
    decision = decide(None, as_event(issued), None, now)
    await STORE.save(connection, [Stored(str(issued.case_id), 0, decision.state)])
    stored = []
    for _ in range(2):
        notice = Notice(uuid4(), issued.case_id, decision.state.rows[0].mail_id, NoticeKind.BOUNCE, "5.1.1", now)
        async with connection.transaction():
            stored.append(await notify(connection, notice))
    assert stored == [True, False]


def deferred(ledger, now, place=0):
    row = replace(ledger.rows[place], state=MailState.DEFERRED, attempts=1, answer="451")
    return ledger.with_row(replace(row, first_tried_at=now, tried_at=now, next_try_at=now + timedelta(hours=1)))


async def test_E3_no_address_is_in_a_row_and_none_anywhere_once_the_case_is_erased(pool, connection, ledgers, now):
    ledger = deferred(ledgers(1)[0], now)
    await STORE.save(connection, [Stored(str(ledger.case_id), 0, ledger)])
    assert "@" not in await connection.fetchval("select string_agg(m::text, ' ') from mails m")
    assert await connection.fetchval("select count(*) from orders") == len(ledger.rows)
    await administer(pool, "select erase_case($1)", str(ledger.case_id))
    assert await connection.fetchval("select count(*) from orders") == 0
    (mail_id, *_) = [row.mail_id for row in ledger.rows]
    assert await connection.fetchval("select state from mails where mail_id = $1", mail_id) == "given-up"
    assert await connection.fetchval("select count(*) from mails where state = 'deferred'") == 0
