"""A12, A13, E2: the clocks of a case, their warnings, and lapsing."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_intake.domain.deadlines import due_day, is_weekday, lapse_time, months_after
from servicecert_intake.domain.decide import ASK_AGAIN
from servicecert_schemas.case import CaseState
from servicecert_schemas.deadline import DeadlineWarned
from servicecert_schemas.membership import accounts_after
from servicecert_worker.core.decider import Due
from services.intake.conftest import member

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
LAPSES = datetime(2027, 5, 24, 20, 59, 59, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("submitted", "lapses"),
    [
        # Winter to summer, summer to winter, the month's last day, a leap year, and late in the evening in UTC.
        (NOW, LAPSES),
        (datetime(2026, 5, 20, 9, tzinfo=UTC), datetime(2026, 11, 20, 21, 59, 59, tzinfo=UTC)),
        (datetime(2026, 8, 31, 9, tzinfo=UTC), datetime(2027, 2, 28, 21, 59, 59, tzinfo=UTC)),
        (datetime(2027, 8, 30, 9, tzinfo=UTC), datetime(2028, 2, 29, 21, 59, 59, tzinfo=UTC)),
        (datetime(2026, 8, 31, 22, tzinfo=UTC), datetime(2027, 3, 1, 21, 59, 59, tzinfo=UTC)),
        (datetime(2026, 3, 31, 9, tzinfo=UTC), datetime(2026, 9, 30, 20, 59, 59, tzinfo=UTC)),
    ],
)
def test_A12_six_months_end_with_the_same_numbered_day_or_the_months_last_in_helsinki(submitted, lapses):
    assert lapse_time(submitted) == lapses


@given(day=st.dates(date(2000, 1, 1), date(2100, 1, 1)), months=st.integers(0, 30))
def test_A12_a_month_later_is_in_the_right_month_and_on_the_same_day_where_it_has_one(day, months):
    later = months_after(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


def easter(year):
    """Easter Sunday by the anonymous Gregorian algorithm, an account of its own of the movable feasts."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    k = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * k) // 451
    return date(year, (h + k - 7 * m + 114) // 31, (h + k - 7 * m + 114) % 31 + 1)


def holidays_of(year):
    """Finland's public holidays on weekdays by the law, with Midsummer Eve and Christmas Eve."""
    fixed = {(1, 1), (1, 6), (5, 1), (12, 6), (12, 24), (12, 25), (12, 26)}
    sunday = easter(year)
    eve = next(day for day in (date(year, 6, 19) + timedelta(days=n) for n in range(7)) if day.weekday() == 4)
    movable = {sunday + timedelta(days=n) for n in (-2, 1, 39)}
    return {date(year, month, day) for month, day in fixed} | movable | {eve}


@pytest.mark.parametrize("year", range(2020, 2041))
def test_A13_the_holidays_are_those_of_the_law(year):
    days = (date(year, 1, 1) + timedelta(days=n) for n in range(366))
    weekdays = {day for day in days if day.year == year and day.weekday() < 5 and not is_weekday(day)}
    assert weekdays == {day for day in holidays_of(year) if day.weekday() < 5}


@given(day=st.dates(date(2020, 1, 1), date(2040, 12, 1)))
def test_A13_five_weekdays_lie_between_completion_and_the_due_day(day):
    due = due_day(day)
    between = [day + timedelta(days=n) for n in range(1, (due - day).days + 1)]
    assert is_weekday(due)
    assert sum(map(is_weekday, between)) == 5


def wake(case):
    """The one clock deadline that is armed for a case."""
    return case.clock_deadline


def due(happen, case, at):
    armed = wake(case)
    return happen(Due(uuid4(), str(case.case_id), armed.kind, armed.at), case, at)


def warnings(decision):
    return [(each.kind, each.mark) for each in decision.events if isinstance(each, DeadlineWarned)]


def test_E2_an_incomplete_application_warns_at_half_and_at_nine_tenths_and_lapses(happen, happenings):
    opened = happen(happenings["submitted without request"])
    case, since = opened.state, happenings["submitted without request"].time
    assert opened.events[0].lapses == LAPSES
    assert wake(case) in opened.deadlines
    assert wake(case).at == since + (LAPSES - since) / 2
    half = due(happen, case, wake(case).at)
    assert warnings(half) == [("completion", "half")]
    assert wake(half.state) in half.deadlines
    assert wake(half.state).at == since + (LAPSES - since) * 9 / 10
    late = due(happen, half.state, wake(half.state).at)
    assert warnings(late) == [("completion", "nine-tenths")]
    assert wake(late.state).at == LAPSES + SECOND + HOUR
    lapsed = due(happen, late.state, wake(late.state).at)
    view = lapsed.events[0]
    assert (view.state, view.lapses, warnings(lapsed)) == (CaseState.LAPSED, None, [])
    assert "lapsed" in view.next_step.en
    assert wake(lapsed.state) is None


@pytest.mark.parametrize("name", ["submitted wrongly", "submitted without request"])
def test_A12_a_case_that_nobody_looked_at_for_long_lapses_at_once_without_warnings(happen, happenings, name):
    case = happen(happenings[name]).state
    decision = due(happen, case, LAPSES + timedelta(days=40))
    assert [each.state for each in decision.events] == [CaseState.LAPSED]


def test_A12_it_does_not_lapse_while_what_was_sent_in_time_may_be_under_way(happen, happenings):
    case = happen(happenings["submitted wrongly"]).state
    decision = due(happen, case, LAPSES + HOUR / 2)
    assert warnings(decision) == [("completion", "nine-tenths")]
    in_time = replace(happenings["supplemented with request"], time=LAPSES)
    assert happen(in_time, decision.state, LAPSES + HOUR / 2).state.state is CaseState.ACCEPTED


def test_A12_the_last_second_of_the_last_day_counts(happen, happenings):
    case = happen(happenings["submitted wrongly"]).state
    end = LAPSES + SECOND
    sent = {at: replace(happenings["supplemented with request"], time=at) for at in (end - timedelta.resolution, end)}
    assert [happen(each, case, end + HOUR / 2).state.state for each in sent.values()] == [
        CaseState.ACCEPTED,
        CaseState.LAPSED,
    ]


@pytest.mark.parametrize(("late", "state"), [(timedelta(), CaseState.ACCEPTED), (SECOND, CaseState.LAPSED)])
def test_A12_an_event_that_was_sent_in_time_and_waits_for_an_invitation_is_decided_before_the_lapse(
    happen, happenings, known, late, state
):
    sent = happenings["supplemented with request"]
    actor = sent.data.actor.model_copy(update={"user_id": "new-colleague"})
    sent = replace(sent, data=sent.data.model_copy(update={"actor": actor}), time=LAPSES + late)
    wakes = LAPSES + SECOND + HOUR
    case = happen(happenings["submitted wrongly"]).state
    held = happen(sent, case, wakes - SECOND).state
    decision = due(happen, held, wakes)
    invited = replace(
        known, accounts=accounts_after(known.accounts, [replace(member("new-colleague"), time=LAPSES - HOUR)])
    )
    again = happen(Due(uuid4(), str(case.case_id), ASK_AGAIN, wakes), decision.state, wakes + SECOND, invited)
    assert again.state.state is state
    if state is CaseState.ACCEPTED:
        (later,) = decision.deadlines
        assert (later.kind, later.at > wakes) == (wake(held).kind, True)
    else:
        assert decision.state.state is CaseState.LAPSED


@pytest.mark.parametrize("name", ["supplemented with request", "request attached", "withdrawn"])
def test_A12_what_is_sent_later_is_refused_though_the_clock_was_not_looked_at_yet(happen, happenings, name):
    case = happen(happenings["submitted wrongly"]).state
    late = replace(happenings[name], time=LAPSES + timedelta(seconds=1))
    decision = happen(late, case, LAPSES + timedelta(minutes=1))
    view = decision.events[0]
    assert (view.state, view.answer.code, view.version) == (CaseState.LAPSED, "too-late-lapsed", 2)
    again = happen(replace(late, id=uuid4()), decision.state, LAPSES + timedelta(minutes=2))
    assert (again.events[0].state, again.events[0].answer.code) == (CaseState.LAPSED, "too-late-lapsed")


def test_A12_no_supplement_starts_the_six_months_anew(happen, happenings):
    case = happen(happenings["submitted wrongly"]).state
    later = replace(happenings["supplemented wrongly"], time=NOW + timedelta(days=100))
    decision = happen(later, case, NOW + timedelta(days=100))
    assert decision.state.state is CaseState.RETURNED
    assert decision.state.clock == case.clock


def test_A13_E2_a_delivery_warns_at_half_at_nine_tenths_and_when_it_is_late(happen, happenings):
    case = happen(happenings["submitted"]).state
    since, until = case.complete_at, case.due
    marks = []
    for _ in range(3):
        decision = due(happen, case, wake(case).at)
        marks += [(mark, wake(case).at) for _, mark in warnings(decision)]
        assert decision.state.version == case.version
        case = decision.state
    assert marks == [
        ("half", since + (until - since) / 2),
        ("nine-tenths", since + (until - since) * 9 / 10),
        ("passed", until + SECOND),
    ]
    assert wake(case) is None


def test_A13_the_delivery_clock_follows_that_of_completion_and_ends_with_the_delivery(after, happen, happenings):
    opened = after("submitted without request")
    accepted = happen(happenings["request attached"], opened)
    assert {(each.kind, each.at is None) for each in accepted.deadlines} == {
        ("completion/half", True),
        ("delivery/half", False),
    }
    delivered = happen(happenings["contact has it"], after("issued", "orderer has it", case=accepted.state))
    assert [(each.kind, each.at) for each in delivered.deadlines] == [("delivery/half", None)]


def test_E2_a_clock_that_was_looked_at_already_tells_nothing_twice(happen, happenings):
    case = happen(happenings["submitted without request"]).state
    at = wake(case).at
    told_once = due(happen, case, at).state
    again = happen(Due(uuid4(), str(case.case_id), "completion/half", at), told_once, at)
    assert again.state is told_once
    assert (again.events, again.deadlines) == ((), (wake(told_once),))


def test_E2_a_clock_that_runs_no_more_tells_nothing(happen, after):
    for case in (after("submitted wrongly", "withdrawn"), None):
        decision = happen(Due(uuid4(), "key", "completion/half", NOW), case, LAPSES)
        assert (decision.state, decision.events, decision.deadlines) == (case, (), ())
