"""Who may have how many answers signed anew (F5). Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from servicecert_revoker.ocsp.domain.answering import Budget

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def taken(budget: Budget, client: str, tries: int, now: datetime = NOW) -> int:
    return sum(budget.take(client, now) for _ in range(tries))


def test_f5_a_client_has_a_burst_and_then_its_rate() -> None:
    budget = Budget(2, 1_000)
    assert taken(budget, "a", 100) == 20
    assert taken(budget, "a", 100, NOW + timedelta(seconds=3)) == 6
    assert taken(budget, "b", 100) == 20, "another client has its own"
    assert taken(budget, "a", 100, NOW + timedelta(days=1)) == 20


def test_f5_a_clock_that_goes_back_gives_nothing() -> None:
    budget = Budget(2, 1_000)
    assert taken(budget, "a", 100) == 20
    assert taken(budget, "a", 100, NOW - timedelta(days=1)) == 0
    assert taken(budget, "a", 100, NOW - timedelta(days=1) + timedelta(seconds=1)) == 2


@pytest.mark.parametrize("clients", [10, 1_000])
def test_f5_many_addresses_use_up_the_total_and_bounded_memory(clients: int) -> None:
    budget = Budget(2, 5, most_clients=100)
    assert sum(budget.take(f"192.0.2.{number}", NOW) for number in range(clients) for _ in range(30)) == 50
    assert len(budget) == min(clients, 100)


def test_f5_the_oldest_client_is_forgotten_first() -> None:
    budget = Budget(1, 1_000, most_clients=2)
    assert taken(budget, "a", 100) == taken(budget, "b", 100) == 10
    assert taken(budget, "a", 1) == 0
    assert taken(budget, "c", 1) == 1
    assert taken(budget, "a", 1) == 0, "b was the oldest"
    assert taken(budget, "b", 100) == 10
