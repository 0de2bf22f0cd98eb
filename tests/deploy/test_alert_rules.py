"""Rules of Prometheus that are easily written wrong, tried with samples by Prometheus' own tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from docs.pages import CHECKOUT
from servicecert_cli.watching.conditions import CONDITIONS
from servicecert_monitoring.alert_rules import ALERTS, alert_rules

PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
FIRING = 'count(ALERTS{{alertname="{}",alertstate="firing"}})'

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def evaluate(folder: Path, series: Mapping[str, str], expression: str, minutes: int, value: float | None) -> None:
    """Expect the value of an expression after so many minutes, or none. `series` have a sample each minute."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"sum({expression})",
                "eval_time": f"{minutes}m",
                "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
            }
        ],
    }
    rules = [str(PROMETHEUS / name) for name in ("recording.yml", "alerts.yml")]
    # JSON is YAML.
    (folder / "test.yml").write_text(json.dumps({"rule_files": rules, "evaluation_interval": "1m", "tests": [test]}))
    command = ["promtool", "test", "rules", folder / "test.yml"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_alerts_are_those_of_the_catalogue() -> None:
    """If not, run `make format`."""
    assert ALERTS.read_text() == alert_rules()
    # What silences other alerts is the condition itself.
    assert CONDITIONS["TableLocked"].when in (PROMETHEUS / "recording.yml").read_text()


def test_the_rules_are_rules() -> None:
    files = sorted(PROMETHEUS.glob("[!p]*.yml"))
    command = ["promtool", "check", "rules", *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("kafka", "database", "outage"), [("1x9", "1x9", 0), ("0x9", "1x9", 1), ("1x9", "0x9", 1)])
def test_either_part_is_an_outage(tmp_path: Path, kafka: str, database: str, outage: float) -> None:
    series = {"servicecert_kafka_up": kafka, 'servicecert_database_up{service="intake"}': database}
    evaluate(tmp_path, series, "servicecert:outage:max", 5, outage)


@pytest.mark.parametrize(("key", "clock"), [("0x9", "1x9"), ("1x9", "0x9")])
def test_key_and_clock_are_known_delays_of_the_issuer(tmp_path: Path, key: str, clock: str) -> None:
    series = {
        'servicecert_ca_key_away{job="issuer",issuer="test-ec"}': key,
        'servicecert_clock_wrong{job="issuer",service="issuer"}': clock,
    }
    evaluate(tmp_path, series, 'servicecert:known_delay:max{service="issuer"}', 5, 1)


FORGED = 'servicecert_untrusted_records_total{instance="a",service="intake",topic="applications"}'
VOIDED = 'servicecert_published_total{instance="a",service="issuer",type="servicecert.certificate.voided.v1"}'


@pytest.mark.parametrize(
    ("alert", "series", "values", "minutes", "value"),
    [
        pytest.param("ForgedRecords", FORGED, "_x4 1x30", 6, 1, id="the first one begins a series"),
        pytest.param("ForgedRecords", FORGED, "3x4 4x30", 6, 1, id="a further one"),
        pytest.param("ForgedRecords", FORGED, "_x4 1x30", 25, None, id="none since"),
        pytest.param("SerialVoided", VOIDED, "_x4 1x30", 6, 1, id="the first void"),
    ],
)
def test_what_is_counted_for_the_first_time_fires(
    tmp_path: Path, alert: str, series: str, values: str, minutes: int, value: float | None
) -> None:
    evaluate(tmp_path, {series: values}, FIRING.format(alert), minutes, value)


SUCCESS = 'servicecert_canary_last_success_timestamp_seconds{job="canary"}'
START = 'process_start_time_seconds{job="canary"}'


@pytest.mark.parametrize(
    ("success", "start", "up", "minutes", "value"),
    [
        pytest.param("0+60x60", "0x60", "1x60", 50, None, id="it passes"),
        pytest.param("_x60", "0x60", "1x60", 32, 1, id="it never passed"),
        pytest.param("60x10 stale", "0x10 600x50", "1x60", 33, 1, id="it was restarted, and does not pass"),
        pytest.param("60x10 stale", "0x60", "0x60", 50, None, id="it does not run: another alert says so"),
    ],
)
def test_the_canary_fails_also_where_it_never_passed(
    tmp_path: Path, success: str, start: str, up: str, minutes: int, value: float | None
) -> None:
    series = {SUCCESS: success, START: start, 'up{job="canary"}': up}
    evaluate(tmp_path, series, FIRING.format("CanaryFailing"), minutes, value)


@pytest.mark.parametrize(("alert", "job"), [("ServiceDown", "notifier"), ("OcspDown", "ocsp")])
def test_a_container_that_is_silent_and_then_gone_is_one_alert(tmp_path: Path, alert: str, job: str) -> None:
    """Were it another one once its name is gone, its time would begin anew, and it would fire later than promised."""
    series = {
        f'up{{job="{each}",instance="a"}}': "1x30" for each in ("intake", "issuer", "revoker", "notifier", "ocsp")
    }
    series[f'up{{job="{job}",instance="a"}}'] = "1x4 0 stale"
    evaluate(tmp_path, series, FIRING.format(alert), 6, 1)


STALLED = 'servicecert_stalled_offset{{instance="{}",service="intake",topic="applications",partition="3"}}'


@pytest.mark.parametrize(
    ("series", "minutes", "value"),
    [
        pytest.param({STALLED.format("a"): "_ 17x9"}, 3, 1, id="it cannot be read"),
        pytest.param({STALLED.format("a"): "_ 17 _ 17 _ 17 _ 17"}, 6, 1, id="its process is restarted again and again"),
        pytest.param({STALLED.format("a"): "17 _x9", STALLED.format("b"): "_ 17x9"}, 8, 1, id="two workers in turn"),
        pytest.param({STALLED.format("a"): "17x3 _x9"}, 9, None, id="it is read again"),
    ],
)
def test_a_stalled_partition_is_one_alert(
    tmp_path: Path, series: Mapping[str, str], minutes: int, value: float | None
) -> None:
    evaluate(tmp_path, series, FIRING.format("PartitionStalled"), minutes, value)


LOCKED = 'servicecert_table_locked_seconds{service="intake",table="outbox",pid="7",user="anna",application="psql"}'
READY = 'servicecert_ready{{instance="{0}",service="{0}"}}'


@pytest.mark.parametrize(
    ("alert", "value"), [("TableLocked", 1), ("DatabaseDown", None), ("SchemaUnreadable", None), ("NotReady", 1)]
)
def test_a_locked_table_is_named_and_hides_no_other_alert(tmp_path: Path, alert: str, value: float | None) -> None:
    """Only the workers that wait for it are no alert of their own; those of another service are."""
    series = {
        LOCKED: "_ 0+60x9",
        'servicecert_database_up{service="intake"}': "1x9",
        READY.format("intake"): "0x9",
        READY.format("issuer"): "0x9",
    }
    evaluate(tmp_path, series, FIRING.format(alert), 6, value)
