"""The canary's metrics claim nothing that has not happened, and are what Prometheus expects."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cli.canary.stand import CASE_ID, NOW
from servicecert_cli.canary.domain.stages import Outcome, Stage, Step
from servicecert_cli.canary.metrics import Metrics

SUCCESS = "servicecert_canary_last_success_timestamp_seconds"
FAILED = Outcome(CASE_ID, Step(Stage.MAILED, 120.0, "no mail", passed=False))
PASSED = Outcome(CASE_ID, None)


def samples(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_no_success_and_no_failed_stage_is_claimed_before_there_was_one() -> None:
    metrics = Metrics()
    found = samples(metrics)
    assert found['servicecert_canary_runs_total{outcome="succeeded"}'] == 0
    assert not any(name.startswith((SUCCESS, "servicecert_canary_failed_stage")) for name in found)
    metrics.ended(FAILED, NOW)
    assert SUCCESS not in samples(metrics)


def test_the_last_run_says_where_it_stopped_and_the_last_success_stays() -> None:
    metrics = Metrics()
    for outcome in (PASSED, PASSED, FAILED):
        metrics.ended(outcome, NOW)
    found = samples(metrics)
    assert found[SUCCESS] == NOW.timestamp()
    assert found['servicecert_canary_runs_total{outcome="succeeded"}'] == 2
    assert found['servicecert_canary_runs_total{outcome="failed"}'] == 1
    at = {stage: found[f'servicecert_canary_failed_stage{{stage="{stage}"}}'] for stage in Stage}
    assert at == {stage: float(stage is Stage.MAILED) for stage in Stage}


def test_only_stages_that_were_passed_are_timed() -> None:
    metrics = Metrics()
    metrics.count(Step(Stage.ISSUED, 0.3, "issued"))
    metrics.count(Step(Stage.MAILED, 120.0, "no mail", passed=False))
    counts = {name: value for name, value in samples(metrics).items() if "_seconds_count" in name}
    assert counts == {'servicecert_canary_stage_seconds_count{stage="issued"}': 1}


def test_prometheus_has_nothing_to_say_of_them() -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed")
    metrics = Metrics()
    metrics.count(Step(Stage.ISSUED, 0.3, "issued"))
    metrics.ended(PASSED, NOW)
    checked = subprocess.run([promtool, "check", "metrics"], input=metrics.text(), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
