"""The canary's metrics claim nothing that has not happened, and are what Prometheus expects."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cli.watching.canary.stand import NOW
from prometheus_client import CollectorRegistry, generate_latest
from servicecert_cli.watching.canary.domain.stages import Stage, Step
from servicecert_cli.watching.canary.metrics import Metrics

SUCCESS = "servicecert_canary_last_success_timestamp_seconds"
FAILED = Step(Stage.MAILED, 120.0, "no mail", passed=False)
PASSED = Step(Stage.REVOCATION_MAILED, 0.3, "the mail is handed over")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def samples(registry: CollectorRegistry) -> dict[str, float]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_no_success_and_no_failed_stage_is_claimed_before_there_was_one(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    found = samples(registry)
    assert found['servicecert_canary_runs_total{outcome="succeeded"}'] == 0
    assert not any(name.startswith((SUCCESS, "servicecert_canary_failed_stage")) for name in found)
    metrics.ended(FAILED, NOW)
    assert SUCCESS not in samples(registry)


def test_the_last_run_says_where_it_stopped_and_the_last_success_stays(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    for outcome in (PASSED, PASSED, FAILED):
        metrics.ended(outcome, NOW)
    found = samples(registry)
    assert found[SUCCESS] == NOW.timestamp()
    assert found['servicecert_canary_runs_total{outcome="succeeded"}'] == 2
    assert found['servicecert_canary_runs_total{outcome="failed"}'] == 1
    at = {stage: found[f'servicecert_canary_failed_stage{{stage="{stage}"}}'] for stage in Stage}
    assert at == {stage: float(stage is Stage.MAILED) for stage in Stage}


def test_only_stages_that_were_passed_are_timed(metrics, registry) -> None:
    metrics.count(Step(Stage.ISSUED, 0.3, "issued"))
    metrics.count(FAILED)
    counts = {name: value for name, value in samples(registry).items() if "_seconds_count" in name}
    assert counts == {'servicecert_canary_stage_seconds_count{stage="issued"}': 1}


def test_prometheus_has_nothing_to_say_of_them(metrics, registry) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed")
    metrics.count(Step(Stage.ISSUED, 0.3, "issued"))
    metrics.ended(PASSED, NOW)
    shown = generate_latest(registry)
    checked = subprocess.run([promtool, "check", "metrics"], input=shown, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
