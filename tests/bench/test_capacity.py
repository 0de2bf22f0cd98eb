"""The calculation of throughput from costs: which part is full first, and how many workers that takes."""

from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path

import pytest
from servicecert_schemas.topics import SERVICES

# To pytest, `bench` is the folder of these tests, so the module is loaded from its file.
_spec = spec_from_file_location("capacity", Path(__file__).parents[2] / "bench" / "capacity.py")
assert _spec is not None
assert _spec.loader is not None
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
CORES, PARTITIONS, Capacity, Part = _module.CORES, _module.PARTITIONS, _module.Capacity, _module.Part
capacity, table = _module.capacity, _module.table

WORKERS = [Part(service, 1.0, PARTITIONS) for service in SERVICES]


def _replaced(name, part):
    return [part if each.name == name else each for each in WORKERS]


def test_cores_limit_until_a_part_is_full():
    assert capacity([*WORKERS, Part("PostgreSQL", 1.0), Part("Kafka", 1.0, 8)], 12) == Capacity(
        rate=2_000, limited_by=CORES, workers=dict.fromkeys(SERVICES, 2)
    )


def test_throughput_grows_with_the_cores_and_then_no_more():
    parts = [*WORKERS, Part("WAL", alone=0.25)]
    rates = [capacity(parts, cores).rate for cores in (4, 8, 12, 16, 48)]
    assert rates == pytest.approx([1_000, 2_000, 3_000, 4_000, 4_000])
    assert capacity(parts, 48).limited_by == "WAL"


@pytest.mark.parametrize(
    ("parts", "rate", "limited_by"),
    [
        (_replaced("intake", Part("intake", 1.2, PARTITIONS, alone=0.4)), 2_000, "intake's relay"),
        (_replaced("issuer", Part("issuer", 4.8, PARTITIONS, alone=0.1)), 2_000, "issuer's partitions"),
        (_replaced("issuer", Part("issuer", 6.0, PARTITIONS)), 2_000, "issuer"),
        ([*WORKERS, Part("Kafka", 4.0, 8)], 2_000, "Kafka"),
        ([*WORKERS, Part("the CA's key", alone=2.0)], 500, "the CA's key"),
    ],
)
def test_part_that_cannot_be_spread_limits_however_many_cores_there_are(parts, rate, limited_by):
    found = capacity(parts, 1_000)
    assert (round(found.rate, 6), found.limited_by) == (rate, limited_by)


def test_service_at_its_limit_has_a_worker_for_each_partition():
    found = capacity(_replaced("issuer", Part("issuer", 4.8, PARTITIONS, alone=0.1)), 1_000)
    assert found.workers == {"intake": 2, "issuer": PARTITIONS, "revoker": 2, "notifier": 2}


def test_workers_suffice_for_the_one_that_reads_most_partitions():
    # Five workers would do if partitions could be divided; of twelve, one of five workers reads three.
    part = Part("intake", 1.0, 12)
    assert [part.workers(rate) for rate in (1_000, 1_001, 2_000, 4_001, 5_000, 6_000, 6_001)] == [1, 2, 2, 6, 6, 6, 12]


def test_time_of_the_relay_is_missing_to_the_leader_only_for_turns():
    assert Part("intake", 1.0, 12, alone=0.5).workers(1_000) == 2


def test_part_without_cost_does_not_limit():
    assert Part("nothing").most() == inf


def test_table_is_markdown():
    found = Capacity(1_846.4, CORES, {"intake": 4, "issuer": 6, "revoker": 1, "notifier": 3})
    assert table({"12": found}).splitlines() == [
        "| cores | intake | issuer | revoker | notifier | certificates/s | limited by |",
        "|---|---|---|---|---|---|---|",
        "| 12 | 4 | 6 | 1 | 3 | 1,846 | processor cores |",
    ]
