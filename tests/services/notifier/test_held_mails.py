"""F5: a form that is sent again and again is no mail cannon."""

from datetime import timedelta

import pytest
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.ledger import MOST_AN_HOUR, RETRY
from servicecert_notifier.domain.reminders import Prepared
from servicecert_notifier.domain.task import MailState
from servicecert_notifier.storage.store import LedgerStore
from servicecert_worker.core.decider import Due, Stored

SECOND = timedelta(seconds=1)


@pytest.fixture
def flooded(returned, as_event, now):
    """The decisions on a case that is returned so many times, a second apart, for one recipient."""

    def flooded(times):
        decisions, state = [], None
        for number in range(times):
            deficiency = returned.deficiencies[0].model_copy(update={"code": f"wrong-{number}"})
            view = {"version": number + 1, "deficiencies": (deficiency,), "recipients": returned.recipients[:1]}
            again = returned.model_copy(update=view)
            decisions.append(decide(state, as_event(again, now + number * SECOND), Prepared(), now + number * SECOND))
            state = decisions[-1].state
        return decisions

    return flooded


def test_f5_a_recipient_gets_a_bounded_number_of_mails_of_a_case_in_an_hour(flooded, now):
    decisions = flooded(4 * MOST_AN_HOUR)
    assert sum(len(each.intents) for each in decisions) == MOST_AN_HOUR
    held = [row for row in decisions[-1].state.rows if row.state is MailState.DEFERRED]
    assert [row.next_try_at for row in held] == [held[-1].planned_at + timedelta(hours=1)]
    assert held == [decisions[-1].state.rows[-1]]


def test_f5_the_newest_of_them_is_sent_an_hour_later(flooded, now):
    decision = flooded(MOST_AN_HOUR + 3)[-1]
    (deadline,) = [each for each in decision.deadlines if each.kind.startswith(RETRY)]
    row = decision.state.rows[-1]
    due = Due(row.mail_id, str(decision.state.case_id), deadline.kind, deadline.at)
    (intent,) = decide(decision.state, due, Prepared(orders={row.mail_id: row.order}), deadline.at).intents
    assert intent.data.mail_id == row.mail_id


async def test_f5_a_held_mail_is_stored_and_superseded(pool, flooded):
    decisions = flooded(MOST_AN_HOUR + 2)
    async with pool.acquire() as connection:
        for version, decision in enumerate(decisions):
            await LedgerStore().save(connection, [Stored(str(decision.state.case_id), version, decision.state)])
        states = await connection.fetch("select state, count(*) from mails group by 1 order by 1")
    assert [tuple(row) for row in states] == [("deferred", 1), ("planned", MOST_AN_HOUR), ("superseded", 1)]
