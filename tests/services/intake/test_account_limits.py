"""F5: one account cannot crowd out the others: what it has open and sends in an hour is limited, and answered."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicecert_intake.domain.knowledge import Counted, Limits, Load, counted, loads
from servicecert_intake.domain.moves import MOST_SUPPLEMENTS
from servicecert_intake.service import MIGRATIONS, NAME
from servicecert_intake.storage.prepare import KEPT, prepare
from servicecert_intake.storage.store import CaseStore
from servicecert_pki.key_checks import NO_LISTS
from servicecert_schemas.application import ApplicationSubmitted, ApplicationWithdrawn, CsrAttached, Form
from servicecert_schemas.case import CaseChanged, CaseState, EventRefused
from servicecert_schemas.certificate import CertificateVoided
from servicecert_schemas.event import Actor
from servicecert_worker.core.decider import Event, Stored

from .conftest import CASE_ID, COLLEAGUE, NOW, SERVER_FORM, event, reports

HOUR = NOW.replace(minute=0)
WITHOUT_AND_WITH: tuple[Any, ...] = ({}, SERVER_FORM["names"])
STRANGER = {**COLLEAGUE, "user_id": "stranger"}


def submitted(case: UUID = CASE_ID, actor: dict[str, str] = COLLEAGUE, **at: Any) -> Event:
    data = ApplicationSubmitted(case_id=case, actor=Actor.model_validate(actor), form=Form.model_validate(SERVER_FORM))
    return event(data, **at)


@pytest.fixture
def loaded(known):
    """The known facts, where the account of an event has this load and may have 3 of each."""

    def loaded(happened: Event, **load: int):
        return replace(known, limits=Limits(3, 3), loads={happened.id: Load(HOUR, **load)})

    return loaded


@pytest.mark.parametrize(
    ("load", "code"), [({"events": 3}, "too-many-events"), ({"unfinished": 3}, "too-many-unfinished")]
)
def test_f5_an_application_over_a_limit_is_answered_and_changes_nothing(happen, loaded, load, code):
    happened = submitted()
    decision = happen(happened, known=loaded(happened, **load))
    (answer,) = decision.events
    assert isinstance(answer, EventRefused)
    assert (decision.state, answer.code, answer.event_id) == (None, code, happened.id)
    assert "{" not in answer.texts.sv + answer.texts.fi + answer.texts.en


def test_f5_the_answer_says_when_to_try_again(happen, loaded):
    happened = submitted()
    (answer,) = happen(happened, known=loaded(happened, events=3)).events
    # 11.00 UTC is 13.00 in Finland.
    assert all(
        each in text
        for each, text in (("13.00", answer.texts.sv), ("13.00", answer.texts.fi), ("13:00", answer.texts.en))
    )


def test_f5_up_to_the_limits_nothing_changes(happen, loaded):
    happened = submitted()
    decision = happen(happened, known=loaded(happened, events=2, unfinished=2))
    assert decision.state.filed is CaseState.WAITING_FOR_CSR


def test_f5_a_full_account_can_still_supplement_and_withdraw(happen, loaded, submit):
    case = submit(csr=None).state
    happened = event(ApplicationWithdrawn(case_id=CASE_ID, actor=Actor.model_validate(COLLEAGUE)))
    assert happen(happened, case, known=loaded(happened, unfinished=3)).state.filed is CaseState.WITHDRAWN


def test_f5_a_case_is_supplemented_a_bounded_number_of_times(happen, submit):
    case = submit(names={}).state
    attached = CsrAttached(case_id=CASE_ID, actor=Actor.model_validate(COLLEAGUE), csr="as sent")
    after = happen(attached, case).state
    assert after.supplements == 1
    decision = happen(attached, replace(after, supplements=MOST_SUPPLEMENTS))
    assert decision.state.answer.code == "too-many-supplements"
    assert decision.state.supplements == MOST_SUPPLEMENTS
    assert isinstance(decision.events[0], CaseChanged)


def test_f5_a_turn_counts_each_event_after_those_before_it(known):
    first, again, other = (
        submitted(uuid4()),
        submitted(uuid4()),
        submitted(uuid4(), {**COLLEAGUE, "account_id": "account-3"}),
    )
    report = Event(uuid4(), "x", CertificateVoided.model_validate(reports()["voided"]), NOW)
    items = list(counted([first, report, again, other], frozenset({again.key}), known.accounts, NOW))
    # The user of account-1 is nobody in account-3.
    assert [(each.account, each.opens) for each in items] == [
        ("account-1", True),
        ("account-1", False),
        ("account-3 uninvited", True),
    ]
    found = loads(items, {(each.account, each.hour): Load(HOUR, 5, 7) for each in items})
    assert found == {first.id: Load(HOUR, 5, 7), again.id: Load(HOUR, 6, 8), other.id: Load(HOUR, 5, 7)}


def test_f5_an_event_counts_in_the_hour_in_which_it_was_sent(known):
    late, ahead = submitted(at=NOW - timedelta(hours=5)), submitted(at=NOW + timedelta(days=9))
    hours = [each.hour for each in counted([late, ahead], frozenset(), known.accounts, NOW)]
    assert hours == [HOUR - timedelta(hours=5), HOUR]


def test_f5_strangers_use_up_their_own_hour(known):
    (item,) = counted([submitted(actor=STRANGER)], frozenset(), known.accounts, NOW)
    assert item == Counted(item.event, "account-1 uninvited", HOUR, opens=True)


async def test_f5_what_an_account_sent_and_has_open_is_counted_in_the_database(service_pool, known, submit):
    pool = await service_pool(NAME, MIGRATIONS)
    unfinished, finished = (replace(submit(names=names).state, case_id=uuid4()) for names in WITHOUT_AND_WITH)
    events = [submitted(uuid4()) for _ in range(3)]

    async def turn(items, now=NOW):
        async with pool.acquire() as connection, connection.transaction():
            return await prepare(Limits(2, 9), NO_LISTS, lambda: now, connection, items, {}, known)

    async with pool.acquire() as connection:
        for case in (unfinished, replace(unfinished, case_id=uuid4()), finished):
            await CaseStore().save(connection, [Stored(str(case.case_id), 0, case)])
    first, second = await turn(events[:2]), await turn(events[2:])
    assert [first.loads[each.id] for each in events[:2]] == [Load(HOUR, 0, 2), Load(HOUR, 1, 3)]
    assert second.loads == {events[2].id: Load(HOUR, 2, 2)}
    assert second.limits == Limits(2, 9)
    await turn([submitted(at=NOW + KEPT + timedelta(hours=1))], NOW + KEPT + timedelta(hours=1))
    assert await pool.fetchval("select count(*) from account_events where hour = $1", HOUR) == 0
