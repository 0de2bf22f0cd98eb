"""The rule files, as promtool judges them, and the recordings of faults replayed through them."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from alarms import rules
from alarms.faults import FAULTS
from alarms.prometheus import Series
from alarms.recording import case_text, file_name, notation

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.yml"))
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: Debian's package prometheus")


def promtool(*arguments: object) -> str:
    """Run promtool; return what it says. Fails with its words."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_prometheus_takes_configuration_and_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", rules.FOLDER / "prometheus.yml")
    for file in rules.FILES:
        assert "SUCCESS" in promtool("check", "rules", file)


@needs_promtool
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_fault_rings_the_alert_that_rang_then_and_no_other(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


def test_every_fault_has_its_recording() -> None:
    assert {path.stem for path in RECORDED} == {*map(file_name, FAULTS), "healthy"}


def test_every_fault_rings_an_alert_that_is_there() -> None:
    assert {fault.alert for fault in FAULTS} <= rules.alerts().keys()
    assert not [name for name, count in Counter(fault.name for fault in FAULTS).items() if count > 1]


def test_what_alerts_depend_on_is_found_through_recording_rules() -> None:
    found = rules.metrics()
    assert {"up", "servicecert_kafka_up", "kafka_consumergroup_group_max_lag_seconds", "process_open_fds"} <= found
    assert not found & rules.recorded().keys()
    assert not {name for name in found if "bucket" in name}


@needs_promtool
def test_a_recording_that_rings_otherwise_is_noticed(tmp_path: Path) -> None:
    """A recording says so if an alert no longer fires, or another one does."""
    broker = Series({"__name__": "servicecert_kafka_up", "job": "lag"}, [(5.0 * n, 0.0) for n in range(60)])
    lag = Series({"__name__": "up", "job": "lag"}, [(5.0 * n, 1.0) for n in range(60)])
    others = [
        Series({"__name__": "up", "job": job}, lag.samples) for job in ("intake", "issuer", "revoker", "notifier")
    ]
    others += [Series({"__name__": "up", "job": job}, lag.samples) for job in ("ocsp", "canary")]
    replayed = tmp_path / "case.yml"

    def judged(*names: str) -> int:
        text = case_text([broker, lag, *others], 0.0, 5, {290.0: names})
        replayed.write_text(text.replace("../../../deploy/prometheus", str(rules.FOLDER)))
        command = [str(PROMTOOL), "test", "rules", str(replayed)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert judged("KafkaDown") == 0
    assert judged() == 1
    assert judged("KafkaDown", "DatabaseDown") == 1


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([(0, 1), (5, 1), (10, 1)], "1x2"),
        ([(0, 1), (5, 2), (10, 2), (15, 3)], "1 2x1 3"),
        ([(10, 7)], "_x2 7"),
        ([(0, 1), (20, 2)], "1 stale _x2 2"),
        ([(0, 0.5), (5, float("inf")), (10, 1795761062.25)], "0.5 Inf 1795761062"),
    ],
)
def test_samples_are_written_as_promtool_reads_them(samples: list[tuple[float, float]], text: str) -> None:
    assert notation([(float(at), float(value)) for at, value in samples], 0.0, 5) == text


def test_moments_count_from_the_beginning_of_a_recording() -> None:
    """Promtool's clock begins at 0, and alerts subtract moments from it."""
    labels = {"__name__": "servicecert_canary_last_success_timestamp_seconds"}
    text = case_text([Series(labels, [(1000.0, 400.0), (1005.0, 400.0)])], 1000.0, 5, {})
    assert "values: '-600x1'" in text
