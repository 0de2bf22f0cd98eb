"""From facts to a finding: the audit, this machine and its environment."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cli.watching.doctor.judging import CRITICAL, OK, SKIPPED, WARNING, holds, judged
from servicecert_cli.watching.doctor.domain.configuration import (
    TimeZones,
)
from servicecert_schemas.topics import SERVICES


def test_checkpoints_follow_each_other():
    holds(judged("AuditCheckpoints", (3, [])), OK, "The newest 3 do.")
    wrong = (2, ["revoker: checkpoint 2: it does not follow"])
    holds(judged("AuditCheckpoints", wrong), CRITICAL, "revoker: checkpoint 2: it does not follow.")
    assert judged("AuditCheckpoints", (0, [])).severity is SKIPPED


def test_variables_that_nothing_reads():
    known = frozenset({"SERVICECERT_BATCH", "SMTP_HOST"})
    holds(judged("Variables", (frozenset({"PATH", "SMTP_HOST"}), known)), OK, "1 are set")
    given = frozenset({"SERVICECERT_BACTH", "SMTP_X"})
    holds(judged("Variables", (given, known)), WARNING, "SERVICECERT_BACTH (SERVICECERT_BATCH?), SMTP_X.")


def test_settings_and_what_is_tolerated():
    holds(judged("Settings", []), OK)
    holds(judged("Settings", ["SERVICECERT_BATCH: too small"]), CRITICAL, "SERVICECERT_BATCH: too small.")
    holds(judged("Insecure", ("", False)), OK)
    holds(judged("Insecure", ("", True)), WARNING, "in the clear")
    holds(judged("Insecure", ("broker", False)), WARNING, "SERVICECERT_INSECURE=broker")
    holds(judged("Trials", []), OK)
    holds(judged("Trials", ["SERVICECERT_CLOCK_AHEAD=P1D"]), CRITICAL, "SERVICECERT_CLOCK_AHEAD=P1D is set.")


def test_files_of_secrets_and_public_keys():
    holds(judged("SecretFiles", (2, [])), OK)
    holds(judged("SecretFiles", (2, ["A_FILE: others can read it"])), CRITICAL, "A_FILE")
    assert judged("SecretFiles", (0, [])).severity is SKIPPED
    left = dict.fromkeys(SERVICES, timedelta(days=31))
    holds(judged("ServiceKeys", left), OK)
    holds(judged("ServiceKeys", dict.fromkeys(SERVICES[1:], timedelta(days=31))), CRITICAL, "key of intake,")
    holds(judged("ServiceKeys", {**left, "issuer": timedelta(seconds=-1)}), CRITICAL, "key of issuer, or it has")
    holds(judged("ServiceKeys", {**left, "issuer": timedelta(days=29)}), WARNING, "issuer in 29 days")


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({}, OK, "2024a"),
        ({"release": None}, OK, "do not tell"),
        ({"release": "2023d"}, WARNING, "2023d"),
        ({"summer": 2.0}, WARNING, "UTC+2 in July"),
    ],
)
def test_the_time_of_finland(changes, severity, words):
    zones = TimeZones(2.0, 3.0, "2024a", 2026)
    holds(judged("TimeZone", replace(zones, **changes)), severity, words)


@pytest.mark.parametrize(
    ("version", "severity"), [((3, 10), CRITICAL), ((3, 11), OK), ((3, 14), OK), ((3, 15), WARNING)]
)
def test_the_version_of_python(version, severity):
    holds(judged("Python", version), severity)


def test_packages():
    holds(judged("Packages", (1, [])), OK, "1 are.")
    wrong = (3, ["aiokafka 0.13, wanted ~=0.14", "x is missing, wanted any"])
    holds(judged("Packages", wrong), WARNING, "aiokafka 0.13, wanted ~=0.14; x is missing, wanted any.")
