"""What a soak makes of what it has seen: alerts against happenings, pauses, growth."""

from __future__ import annotations

from itertools import islice

from alarms.prometheus import Series

from soak.happenings import Firing, Happening, firings, meanwhile, silent, unexplained
from soak.schedule import OUTAGES, Outage, Pause, Rollout, Version, schedule
from soak.watching import Sample, Stretch, growths, longest_pause

PROCESSES = ["issuer", "issuer-2", "ocsp"]
OUTAGE = Happening("issuer dead", Stretch(100, 180), "ServiceDown", frozenset({"LagHigh"}))
FAULT = Happening("worker killed", Stretch(200, 201))


def series(alert: str, *moments: int) -> Series:
    return Series({"alertname": alert}, [(at, 1.0) for at in moments])


def test_a_schedule_is_drawn_from_its_seed_and_has_every_outage_and_both_versions() -> None:
    drawn = [list(islice(schedule(seed, PROCESSES, Version.THIS), 400)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {step.name for step in drawn[0] if isinstance(step, Outage)} == set(OUTAGES)
    rollouts = [step.version for step in drawn[0] if isinstance(step, Rollout)]
    assert rollouts[:4] == [Version.RELEASED, Version.RELEASED, Version.THIS, Version.THIS]
    assert not any(isinstance(step, Pause) and not 0 < step.seconds < 60 for step in drawn[0])


def test_an_alert_fires_once_for_each_row_of_samples_without_a_gap() -> None:
    found = list(firings([series("Parked", 10, 15, 20, 60, 65), series("KafkaDown", 30), series("Silent")], 5))
    assert found == [
        Firing("Parked", Stretch(10, 20)),
        Firing("Parked", Stretch(60, 65)),
        Firing("KafkaDown", Stretch(30, 30)),
    ]


def test_an_outage_explains_its_alert_while_it_lasts_and_no_other() -> None:
    own, later = Firing("ServiceDown", Stretch(160, 175)), Firing("ServiceDown", Stretch(190, 200))
    consequence, other = Firing("LagHigh", Stretch(170, 185)), Firing("Parked", Stretch(120, 125))
    assert unexplained([own, consequence, later, other], [OUTAGE, FAULT]) == [later, other]
    assert unexplained([Firing("ServiceDown", Stretch(200, 201))], [FAULT]) == [
        Firing("ServiceDown", Stretch(200, 201))
    ]


def test_an_outage_without_its_alert_is_silent() -> None:
    assert silent([Firing("LagHigh", Stretch(110, 120)), Firing("ServiceDown", Stretch(1, 99))], [OUTAGE]) == [OUTAGE]
    assert silent([Firing("ServiceDown", Stretch(1, 100))], [OUTAGE, FAULT]) == []


def test_the_longest_pause_may_leave_outages_out() -> None:
    moments = [90.0, 99.0, 170.0, 185.0, 197.0, 203.0]
    assert longest_pause(moments) == Stretch(99, 170)
    assert longest_pause(moments, [OUTAGE.stretch]) == Stretch(185, 197)
    assert longest_pause(moments[:1]) is None
    assert meanwhile(Stretch(150, 250), [OUTAGE, FAULT, FAULT]) == ["issuer dead", "worker killed"]


def test_growth_is_that_of_the_process_that_lived_longest_once_it_was_warm() -> None:
    samples = {
        ("intake", 1): [Sample(at, 100 + at, 10) for at in range(0, 200, 10)],
        ("intake-2", 2): [Sample(at, 500 + at, 10 + at) for at in range(0, 400, 10)],
        ("issuer", 3): [Sample(0, 1, 1)],
    }
    (growth,) = growths(samples)
    assert (growth.service, growth.lives, growth.memory, growth.files) == ("intake", 2, 270, 270)
    assert growth.first.at == 120
