"""A plan can be played again, and leaves nothing out."""

from __future__ import annotations

from chaos.plan import Blow, Poison, Way, blows_for, draw

WORKERS = ["intake", "issuer", "revoker", "notifier"]


def test_the_same_seed_draws_the_same_plan_and_another_seed_another() -> None:
    assert draw(7, 200, WORKERS, 20) == draw(7, 200, WORKERS, 20)
    assert draw(7, 200, WORKERS, 20) != draw(8, 200, WORKERS, 20)


def test_every_way_every_blow_and_every_poison_is_in_a_plan() -> None:
    plan = draw(7, 120, WORKERS, blows_for(120))
    assert {case.way for case in plan.cases} == set(Way)
    assert {burst.strike.blow for burst in plan.bursts if burst.strike} == set(Blow)
    assert {each.poison for each in draw(7, 2_000, WORKERS, blows_for(2_000)).poison} == set(Poison)


def test_all_cases_are_sent_whatever_the_number_of_blows() -> None:
    for blows in (0, 1, 50):
        assert len(draw(7, 40, WORKERS, blows).cases) == 40
