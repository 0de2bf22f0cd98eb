"""From facts to a finding: the backlog, the audit, this machine and its environment."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from cli.doctor.judging import CRITICAL, OK, SKIPPED, WARNING, holds
from servicecert_cli.doctor.domain.audit import (
    Attested,
    Checkpoints,
    Link,
    check_audit_attested,
    check_audit_checkpoints,
)
from servicecert_cli.doctor.domain.backlog import (
    Backlog,
    check_deadlines,
    check_intents,
    check_outbox,
    check_parked,
    check_stopped,
)
from servicecert_cli.doctor.domain.configuration import (
    Requirement,
    TimeZones,
    Variables,
    check_insecure,
    check_packages,
    check_python,
    check_secret_files,
    check_service_keys,
    check_settings,
    check_time_zone,
    check_trials,
    check_variables,
)
from servicecert_schemas.topics import SERVICES

AGES = [(9.9, OK), (10.0, WARNING), (59.9, WARNING), (60.0, CRITICAL)]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("seconds", "severity"), AGES)
def test_the_age_of_intents_says_whether_side_effects_keep_up(service, seconds, severity):
    check = check_intents([Backlog("intake"), Backlog(service, intents=40, intents_seconds=seconds)])
    holds(check, severity, "" if severity is OK else f"{service}: 40 are open; the oldest waits {seconds:.0f} s.")


@pytest.mark.parametrize(("seconds", "severity"), AGES)
def test_the_oldest_unpublished_event_counts(seconds, severity):
    check = check_outbox(
        [Backlog("intake", outbox=1, outbox_seconds=1.0), Backlog("issuer", 0, outbox=7, outbox_seconds=seconds)]
    )
    holds(check, severity, "" if severity is OK else "issuer: 7 unpublished events")


@pytest.mark.parametrize(("seconds", "severity"), [(59, OK), (60, WARNING), (599, WARNING), (600, CRITICAL)])
def test_deadlines_are_not_late(seconds, severity):
    holds(check_deadlines([Backlog("intake", late=2, late_seconds=seconds)]), severity)


def test_parked_records_and_those_behind_them():
    holds(check_parked([Backlog("intake")]), OK, "None is.")
    found = check_parked([Backlog("intake"), Backlog("issuer", parked=1, behind=2, parked_seconds=120)])
    holds(found, WARNING, "issuer: 1 parked, 2 wait behind them, the oldest for 2 min.")


def test_certificates_that_the_linter_stopped():
    holds(check_stopped((0, 0.0)), OK)
    holds(check_stopped((2, 60.0)), CRITICAL, "2 are stopped, the first for 60 s.")


@pytest.mark.parametrize(("seconds", "severity"), [(599, OK), (600, WARNING), (3_599, WARNING), (3_600, CRITICAL)])
def test_checkpoints_cover_the_audit(seconds, severity):
    holds(check_audit_attested([Attested("intake", 0.0), Attested("issuer", seconds)]), severity)


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
    holds(check_audit_checkpoints(of), severity, words)
    assert check_audit_checkpoints([Checkpoints("intake", ())]).severity is SKIPPED


def test_variables_that_nothing_reads():
    known = frozenset({"SERVICECERT_BATCH", "SMTP_HOST"})
    holds(check_variables(Variables(frozenset({"PATH", "SMTP_HOST"}), known)), OK, "1 are set")
    given = frozenset({"SERVICECERT_BACTH", "SMTP_X"})
    holds(check_variables(Variables(given, known)), WARNING, "SERVICECERT_BACTH (SERVICECERT_BATCH?), SMTP_X.")


def test_settings_and_what_is_tolerated():
    holds(check_settings([]), OK)
    holds(check_settings(["SERVICECERT_BATCH: too small"]), CRITICAL, "SERVICECERT_BATCH: too small.")
    holds(check_insecure(("", False)), OK)
    holds(check_insecure(("", True)), WARNING, "in the clear")
    holds(check_insecure(("broker", False)), WARNING, "SERVICECERT_INSECURE=broker")
    holds(check_trials({}), OK)
    holds(check_trials({"SERVICECERT_CLOCK_AHEAD": "P1D"}), CRITICAL, "SERVICECERT_CLOCK_AHEAD=P1D is set.")


def test_files_of_secrets_and_public_keys():
    holds(check_secret_files((2, [])), OK)
    holds(check_secret_files((2, ["A_FILE: others can read it"])), CRITICAL, "A_FILE")
    assert check_secret_files((0, [])).severity is SKIPPED
    left = dict.fromkeys(SERVICES, timedelta(days=31))
    holds(check_service_keys((left, None)), OK)
    holds(check_service_keys((dict.fromkeys(SERVICES[1:], timedelta(days=31)), None)), CRITICAL, "key of intake,")
    holds(check_service_keys(({**left, "issuer": timedelta(seconds=-1)}, None)), CRITICAL, "key of issuer, or it has")
    holds(check_service_keys(({**left, "issuer": timedelta(days=29)}, None)), WARNING, "issuer in 29 days")
    holds(check_service_keys(({}, "There is none.")), CRITICAL, "There is none.")


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({}, OK, "2024a"),
        ({"release": None}, OK, "do not tell"),
        ({"release": "2023d"}, WARNING, "2023d"),
        ({"summer": 2.0}, WARNING, "UTC+2 in July"),
        ({"fault": "ZoneInfoNotFoundError"}, CRITICAL, "does not load"),
    ],
)
def test_the_time_of_finland(changes, severity, words):
    zones = TimeZones(2.0, 3.0, "2024a", date(2026, 11, 27))
    holds(check_time_zone(replace(zones, **changes)), severity, words)


@pytest.mark.parametrize(
    ("version", "severity"), [((3, 10), CRITICAL), ((3, 11), OK), ((3, 14), OK), ((3, 15), WARNING)]
)
def test_the_version_of_python(version, severity):
    holds(check_python(version), severity)


def test_packages():
    met = Requirement("click", "", "8", True)
    holds(check_packages([met]), OK, "1 are.")
    old, none = Requirement("aiokafka", "~=0.14", "0.13", False), Requirement("x", "", None, False)
    holds(check_packages([met, old, none]), WARNING, "aiokafka 0.13, wanted ~=0.14; x is missing, wanted any.")
