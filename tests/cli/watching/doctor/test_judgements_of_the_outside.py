"""From facts to a finding: CAs, what relying parties get, mail and registers; and how findings are summed up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cli.watching.doctor.judging import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, holds, judged
from servicecert_cli.faults import listed
from servicecert_cli.watching.doctor.domain.authority import FetchedCrl, OcspAnswer
from servicecert_cli.watching.doctor.domain.check import exit_code, period
from servicecert_cli.watching.doctor.domain.mail import Relay

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def days(number):
    return timedelta(days=number)


@pytest.mark.parametrize(
    ("severities", "code"),
    [((), 0), ((OK, SKIPPED), 0), ((OK, WARNING), 1), ((WARNING, CRITICAL, UNKNOWN), 2), ((SKIPPED, UNKNOWN), 3)],
)
def test_exit_codes_are_those_of_monitoring_plugins(severities, code):
    assert exit_code(severities) == code


def test_a_known_fault_counts_more_than_what_could_not_be_checked():
    assert exit_code([UNKNOWN, WARNING]) == 1


def test_words():
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert [period(each) for each in (0, 119, 120, 7_199, 7_200, 172_799, 172_800)] == [
        *("0 s", "119 s", "2 min", "120 min", "2 h", "48 h", "2 days")
    ]


def ends(left, root=4_000):
    return NOW, {"production-ec": NOW + left, "root": NOW + days(root)}


@pytest.mark.parametrize(
    ("left", "severity", "words"),
    [
        (days(180), OK, "The first expires on 2027-05-26."),
        (days(179), WARNING, "production-ec expires on"),
        (days(30), WARNING, "expires"),
        (days(29), CRITICAL, "expires"),
        (days(-1), CRITICAL, "production-ec expired on 2026-11-26."),
    ],
)
def test_a_ca_is_valid_for_months(left, severity, words):
    holds(judged("CaValidity", ends(left)), severity, words)


def test_a_root_expires_too_and_the_worst_is_said():
    holds(judged("CaValidity", ends(days(100), root=10)), CRITICAL, "root expires on")


def test_a_production_ca_for_trials_is_a_fault():
    holds(judged("TrialCa", []), OK)
    holds(judged("TrialCa", ["production-ec"]), WARNING, "For trials: production-ec.")


@pytest.mark.parametrize(
    ("ca", "severity", "words"),
    [
        (days(181), OK, "181 days"),
        (days(179), WARNING, "In 179 days new certificates of production-ec would outlive it."),
        (days(-1), WARNING, "new certificates of production-ec would outlive it."),
    ],
)
def test_certificates_end_before_their_ca(ca, severity, words):
    holds(judged("CaProfiles", [({"issuer": "production-ec"}, ca.total_seconds())]), severity, words)


@pytest.mark.parametrize(("left", "severity"), [(30, OK), (29, WARNING), (6, WARNING)])
def test_a_root_s_crl(left, severity):
    crls = [({"crl": str(each)}, 86_400 * each) for each in (left, 300)]
    holds(judged("RootCrlExpires", crls), severity, f"{left} days")


GOOD = FetchedCrl("http://x/a.crl", None, True, 5, NOW - days(1), NOW + days(2), 5, NOW - days(1))


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({}, OK, "Each of 1 is served; the first is valid until 2026-11-29 12:00 UTC."),
        ({"fault": "answers 404", "next_update": None}, CRITICAL, "http://x/a.crl: answers 404."),
        ({"is_signed": False}, CRITICAL, "not signed by its CA"),
        ({"next_update": None}, CRITICAL, "has expired"),
        ({"next_update": NOW}, CRITICAL, "has expired"),
        ({"next_update": NOW + timedelta(hours=35)}, CRITICAL, "valid for 35 h only"),
        ({"next_update": NOW + timedelta(hours=36)}, OK, ""),
        ({"this_update": NOW + timedelta(minutes=5)}, OK, ""),
        ({"this_update": NOW + timedelta(minutes=6)}, CRITICAL, "from the future"),
        ({"this_update": None}, OK, ""),
        ({"booked": 6}, CRITICAL, "is number 5; number 6 is published: later revocations are missing."),
        ({"booked": 6, "booked_at": NOW - timedelta(seconds=61)}, CRITICAL, "number 6 is published"),
        ({"booked": 6, "booked_at": NOW - timedelta(minutes=1)}, OK, ""),
        ({"booked": 6, "booked_at": None}, OK, ""),
        ({"booked": 4}, OK, ""),
        ({"booked": None}, OK, ""),
    ],
)
def test_a_crl_as_it_is_served(changes, severity, words):
    holds(judged("Crl", (NOW, [replace(GOOD, **changes)])), severity, words)


def test_nothing_is_served_before_anything_is_issued():
    assert judged("Ocsp", []).severity is SKIPPED
    assert judged("CrlPasses", []).severity is SKIPPED


def test_ocsp_says_what_the_tables_say():
    asked = OcspAnswer("http://o", "4a01")
    holds(judged("Ocsp", [asked, replace(asked, is_revoked=True, should_be_revoked=True)]), OK, "Each of 2 answers")
    holds(judged("Ocsp", [replace(asked, should_be_revoked=True)]), CRITICAL, "says good of 4a01, which is revoked")
    holds(judged("Ocsp", [replace(asked, is_revoked=True)]), CRITICAL, "says revoked of 4a01, which is good")
    holds(judged("Ocsp", [asked, replace(asked, fault="does not answer.")]), CRITICAL, "http://o: does not")


def test_ca_certificates_as_they_are_served():
    holds(judged("Aia", {"http://a": True}), OK, "Each of 1 is served.")
    holds(judged("Aia", {"http://a": True, "http://b": False}), CRITICAL, "http://b is another")
    holds(judged("Aia", {"http://a": "answers 500"}), CRITICAL, "http://a: answers 500.")


@pytest.mark.parametrize(("seconds", "severity"), [(14.9, OK), (15.0, WARNING), (29.9, WARNING), (30.0, CRITICAL)])
def test_a_revocation_waits_for_two_passes_over_the_slowest_ca(seconds, severity):
    passes = [("production-ec", 10, 0.1), ("production-rsa", 900_000, seconds)]
    holds(judged("CrlPasses", passes), severity, f"production-rsa, 900000 entries, took {seconds} s")


def test_room_for_crls():
    holds(judged("CrlDisk", ("/crls", 100, 50)), OK)
    holds(judged("CrlDisk", ("/crls", 100, 10)), WARNING)


def test_mail_servers():
    well, shut = Relay("a", has_login=True), Relay("b", "It does not answer.", None, True)
    holds(judged("MailServer", [well]), OK, "a.")
    holds(judged("MailServer", [well, shut]), WARNING, "It does not answer.")
    holds(judged("MailServer", [shut]), CRITICAL, "It does not answer.")
    holds(judged("MailServer", [replace(well, is_encrypted=False)]), WARNING, "Without verified TLS: a.")
    holds(judged("MailLogin", [well, shut]), OK, "Every login is accepted.")
    holds(judged("MailLogin", [replace(well, login_fault="Refused.")]), CRITICAL, "Refused.")
    assert judged("MailLogin", [shut]).severity is SKIPPED
    assert judged("MailLogin", [Relay("a")]).severity is SKIPPED


def test_mails_that_wait_because_of_us():
    holds(judged("MailServerRefusesUs", 0), OK)
    holds(judged("MailServerRefusesUs", 1), CRITICAL, "refuses us: 1 mails wait")


@pytest.mark.parametrize(
    ("days", "severity", "words"),
    [(8, OK, "8 days; the limit is 8 days."), (9, WARNING, "for 9 days")],
)
def test_the_registers(days, severity, words):
    holds(judged("RegistersStale", (24, 86_400 * days)), severity, words)
    holds(judged("RegistersEmpty", (24, 86_400 * days)), OK, "The topic has at most 24 records.")


def test_lists_of_lost_keys():
    holds(judged("KeyListsMissing", {"a.dat": 7}), OK, "a.dat has 7 keys.")
    holds(judged("KeyListsOld", {"a.dat": 89.9}), OK)
    holds(judged("KeyListsOld", {"a.dat": 90.0}), WARNING, "Old: a.dat (90 days).")
