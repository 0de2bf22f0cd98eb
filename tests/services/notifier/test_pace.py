"""The rate limits of reminders (C4)."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from servicecert_notifier.domain.pace import MINUTE, Limits, Paces, allocate, domain_of

NOW = datetime(2027, 1, 1, 9, tzinfo=UTC)
LIMITS = Limits(over_all=600, to_a_domain=60)
NOTHING = Paces({}, {})
CASES = st.lists(
    st.lists(st.sampled_from(["a.example", "b.example", "c.example"]), min_size=1, max_size=3), max_size=60
)


def test_a_few_go_at_once():
    slots, used = allocate([("1", ["a.example"]), ("2", ["b.example", "b.example"])], NOTHING, LIMITS, NOW)
    assert set(slots.values()) == {NOW}
    assert used == Paces({"a.example": NOW + MINUTE, "b.example": NOW + 2 * MINUTE}, {NOW: 3})


def test_a_storm_to_one_domain_is_spread_and_holds_up_no_other():
    storm = [(str(number), ["a.example"]) for number in range(120)]
    slots, _ = allocate([*storm, ("other", ["b.example"])], NOTHING, LIMITS, NOW)
    assert max(slots[key] for key, _ in storm) == NOW + timedelta(minutes=118)
    assert slots["other"] == NOW


def test_three_thousand_in_one_turn_go_at_the_rate_over_all():
    requests = [(str(number), [f"{number}.example"]) for number in range(3_000)]
    slots, _ = allocate(requests, NOTHING, LIMITS, NOW)
    assert max(slots.values()) == NOW + timedelta(hours=5) - MINUTE
    assert set(Counter(slots.values()).values()) == {10}


def test_a_case_with_more_mails_than_a_minute_takes_goes_whole():
    requests = [("1", ["a.example", "b.example"]), ("2", ["c.example"])]
    slots, _ = allocate(requests, NOTHING, Limits(over_all=60, to_a_domain=60), NOW)
    assert slots == {"1": NOW, "2": NOW + MINUTE}


@given(first=CASES, second=CASES, pause=st.integers(min_value=0, max_value=7_200))
def test_no_hour_has_more_than_the_limits_and_what_may_go_at_once(first, second, pause):
    """Also over two turns of any workers: the second knows the slots of the first."""
    sent, paces, now = [], NOTHING, NOW
    for turn, cases in enumerate((first, second)):
        requests = [(f"{turn}/{number}", domains) for number, domains in enumerate(cases)]
        slots, used = allocate(requests, paces, LIMITS, now)
        paces = Paces({**paces.filled, **used.filled}, {**paces.minutes, **used.minutes})
        sent += [(slots[key], domains) for key, domains in requests]
        assert all(slot >= now for slot in slots.values())
        now += timedelta(seconds=pause)
    for start, _ in sent:
        hour = [domains for at, domains in sent if start <= at < start + timedelta(hours=1)]
        mails = Counter(domain for domains in hour for domain in domains)
        # One minute counts on either side, and a case's mails go together, so the last may add two too many.
        assert sum(mails.values()) <= LIMITS.over_all * 61 / 60 + 2
        assert all(count <= LIMITS.to_a_domain * 61 / 60 + 3 for count in mails.values())


def test_only_what_changed_is_kept():
    _, used = allocate([("1", ["a.example"])], Paces({"b.example": NOW}, {NOW - MINUTE: 4}), LIMITS, NOW)
    assert used == Paces({"a.example": NOW + MINUTE}, {NOW: 1})


def test_a_domain_has_no_case():
    assert domain_of("Maija@Example.FI") == "example.fi"
