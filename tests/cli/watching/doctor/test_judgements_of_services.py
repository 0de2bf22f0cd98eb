"""From facts to a finding: the audit, this machine and its environment."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cli.watching.doctor.judging import CRITICAL, OK, SKIPPED, WARNING, holds, judged
from servicecert_cli.watching.doctor.domain.configuration import (
    TimeZones,
)
from servicecert_cli.watching.doctor.domain.database import (
    Checkpoints,
    Link,
)
from servicecert_schemas.topics import SERVICES

LINKS = (Link(4, "f4", "f3", True), Link(5, "f5", "f4", True), Link(6, "f6", "f5", None))


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({}, OK, "The newest 3 do."),
        ({"links": (LINKS[0], LINKS[2])}, CRITICAL, "issuer: checkpoint 5 is missing."),
        ({"links": (LINKS[0], Link(5, "f5", "other", True))}, CRITICAL, "checkpoint 5 does not follow 4"),
        ({"links": (Link(4, "f4", "f3", False),)}, CRITICAL, "checkpoint 4 is not signed by its service"),
        ({"changed": ("chain",)}, CRITICAL, "rows of 1 chains differ from checkpoint 6"),
    ],
)
def test_checkpoints_follow_each_other(changes, severity, words):
    of = [Checkpoints("intake", ()), replace(Checkpoints("issuer", LINKS), **changes)]
    holds(judged("AuditCheckpoints", of), severity, words)
    assert judged("AuditCheckpoints", [Checkpoints("intake", ())]).severity is SKIPPED


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
    holds(judged("Packages", {"click": None}), OK, "1 are.")
    wrong = {"click": None, "aiokafka": "aiokafka 0.13, wanted ~=0.14", "x": "x is missing, wanted any"}
    holds(judged("Packages", wrong), WARNING, "aiokafka 0.13, wanted ~=0.14; x is missing, wanted any.")
