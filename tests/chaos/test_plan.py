"""A plan is reproducible and complete."""

from __future__ import annotations

from chaos.plan import FaultKind, Poison, Scenario, draw, fault_count

WORKERS = ["intake", "issuer", "revoker", "notifier"]


def test_the_same_seed_draws_the_same_plan_and_another_seed_another() -> None:
    assert draw(7, 200, WORKERS, 20) == draw(7, 200, WORKERS, 20)
    assert draw(7, 200, WORKERS, 20) != draw(8, 200, WORKERS, 20)


def test_every_scenario_every_fault_and_every_poison_is_in_a_plan() -> None:
    plan = draw(7, 120, WORKERS, fault_count(120))
    assert {case.scenario for case in plan.cases} == set(Scenario)
    assert {burst.fault.kind for burst in plan.bursts if burst.fault} == set(FaultKind)
    assert {each.poison for each in draw(7, 2_000, WORKERS, fault_count(2_000)).poison} == set(Poison)


def test_all_cases_are_sent_whatever_the_number_of_faults() -> None:
    for faults in (0, 1, 50):
        assert len(draw(7, 40, WORKERS, faults).cases) == 40
