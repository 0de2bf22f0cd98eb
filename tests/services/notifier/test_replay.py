"""A replay of the notifier: what of its mails was never told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from identities import Identities, any_signer
from servicecert_notifier import service as module
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.recall import RECALL, outdated
from servicecert_notifier.domain.task import MailTask
from servicecert_schemas.case import CaseChanged, CaseState, HistoryEntry
from servicecert_schemas.codec import to_record
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import AnswerClass, MailHandedOver, MailKind
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.decider import Recall
from servicecert_worker.core.published import PublishedEvent, PublishedEvents
from servicecert_worker.core.record import Record
from servicecert_worker.replay.replay import Replay, ReplayClock
from servicecert_worker.runtime.turn import Turns

HOUR = timedelta(hours=1)
TRY = UUID(int=1)
MAILS = "select mail_id, state, superseded_by, recipient from mails order by entry"


@pytest.fixture
def replayed(tmp_path, service_pool) -> Callable[..., Any]:
    """Replays events, an hour apart, with what the notifier has published, into a new pool or a given one."""
    identities = Identities(tmp_path / "service-keys")

    async def replay(
        events: Sequence[tuple[UUID, EventData]],
        now: datetime,
        *published: MailHandedOver,
        pool: asyncpg.Pool[Any] | None = None,
        recall: Recall | None = None,
    ) -> asyncpg.Pool[Any]:
        records = []
        for place, (id, data) in enumerate(events):
            at = now + place * HOUR
            made = identities.signer("intake").signed(to_record(data, source="/intake", id=id, time=at))
            records.append(Record(made.topic, 0, place, made.key, made.headers, made.value, at))
        pool, clock = pool or await service_pool(module.NAME, module.MIGRATIONS), ReplayClock()
        chain = Chain(module.NAME, {}, os.urandom)
        await chain.begin(pool, now)
        settings = module.Settings(smtp_host="127.0.0.1", servicecert_mail_from="ca@example.fi")
        told = PublishedEvents(PublishedEvent(uuid4(), data, data.at) for data in published)

        def turns(service: Any) -> Turns[Any, Any]:
            return Turns(service, pool, chain, any_signer(module.NAME))

        async with module.open_service(settings, pool, clock) as service:
            replayed = replace(service, recall=recall or service.recall)
            await Replay(replayed, pool, turns, identities.verifier(), clock, None, told).run([records])
        return pool

    return replay


@pytest.fixture
def returns(returned: CaseChanged, now: datetime) -> list[tuple[UUID, EventData]]:
    """A case is returned twice, to one recipient."""
    first = returned.model_copy(update={"recipients": returned.recipients[:1]})
    later = HistoryEntry(state=CaseState.RETURNED, at=now + HOUR)
    again = first.model_copy(update={"history": (*first.history, later), "version": first.version + 1})
    return [(uuid4(), first), (uuid4(), again)]


def handed_over(row: asyncpg.Record, returns: Sequence[tuple[UUID, EventData]], at: datetime) -> MailHandedOver:
    _, data = returns[0]
    assert isinstance(data, CaseChanged)
    return MailHandedOver(
        case_id=data.case_id,
        mail_id=row["mail_id"],
        kind=MailKind.APPLICATION_RETURNED,
        recipient=row["recipient"],
        answer=AnswerClass.ACCEPTED,
        attempts=1,
        at=at,
    )


async def test_C3_a_mail_of_which_nothing_is_told_is_not_sent_if_a_later_one_made_it_outdated(replayed, returns, now):
    """It was deferred until then: who was superseded has published nothing."""
    pool = await replayed(returns, now)
    old, new = await pool.fetch(MAILS)
    assert (old["state"], old["superseded_by"], new["state"]) == ("superseded", new["mail_id"], "planned")
    (intent,) = await pool.fetch("select data from intents")
    assert MailTask.model_validate_json(intent["data"]).mail_id == new["mail_id"]

    pool = await replayed(returns, now, handed_over(new, returns, now + HOUR + timedelta(seconds=1)))
    assert [row["state"] for row in await pool.fetch(MAILS)] == ["superseded", "handed-over"]
    assert await pool.fetchval("select count(*) from intents") == 0


async def test_C3_a_mail_that_waited_in_the_backup_is_not_sent_either(replayed, returns, now):
    pool = await replayed(returns[:1], now)
    (row,) = await pool.fetch("delete from intents returning key")
    (old,) = await pool.fetch(MAILS)
    soon = now + timedelta(minutes=1)
    await pool.execute(
        "update mails set state = 'deferred', attempts = 1, answer = '450', tried_at = $1, next_try_at = $2", now, soon
    )
    kind = f"try/{old['mail_id']}"
    await pool.execute("insert into deadlines (key, kind, id, at) values ($1, $2, $3, $4)", row["key"], kind, TRY, soon)
    await replayed(returns[1:], now + HOUR, pool=pool)
    assert [row["state"] for row in await pool.fetch(MAILS)] == ["superseded", "planned"]
    assert await pool.fetchval("select count(*) from intents") == 1


async def test_C3_a_mail_that_was_handed_over_in_time_was_not_superseded(replayed, returns, now):
    """A backup has both mails: which one was tried, the topics tell."""
    pool = await replayed(returns, now, recall=RECALL)
    mails = await pool.fetch(MAILS)
    assert [row["state"] for row in mails] == ["planned", "planned"]
    await replayed([], now, *(handed_over(row, returns, now + 2 * HOUR) for row in mails), pool=pool)
    assert [row["state"] for row in await pool.fetch(MAILS)] == ["handed-over", "handed-over"]


def test_C3_mails_of_one_event_do_not_supersede_one_another(returned, as_event, now):
    ledger = decide(None, as_event(returned), None, now).state
    assert len({row.recipient for row in ledger.rows}) > 1
    assert outdated(ledger, {row.mail_id for row in ledger.rows}) == {}
