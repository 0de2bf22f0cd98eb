"""The budget of a certificate: what is dearer than recorded is told."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# To pytest, `bench` is the folder of these tests, so the module is loaded from its file.
_spec = spec_from_file_location("results", Path(__file__).parents[2] / "bench" / "results.py")
assert _spec is not None
assert _spec.loader is not None
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
RECORD, TOLERANCE, exceeded = _module.RECORD, _module.TOLERANCE, _module.exceeded


def test_what_is_within_the_tolerance_passes():
    assert exceeded({"budget-20": 10.0 * TOLERANCE - 0.01}, {"budget-20": 10.0}) == []


def test_what_is_dearer_is_told_with_the_way_out():
    (sentence,) = exceeded({"budget-20": 12.0, "budget-50": 1.0}, {"budget-20": 10.0, "budget-50": 1.0})
    assert sentence.startswith("budget-20: 12.00 pieces of work a certificate, and 11.50 are allowed.")
    assert "--record" in sentence


def test_what_was_never_recorded_is_told():
    assert len(exceeded({"budget-90": 0.1}, {})) == 1


def test_a_record_of_each_ratio_is_kept():
    assert json.loads(RECORD.read_text()).keys() == {"budget-backlog-p384", "budget-20", "budget-50"}
