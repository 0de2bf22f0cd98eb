"""From facts to a finding: CAs, what relying parties get, mail and registers; and how findings are summed up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cli.doctor.judging import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, holds
from servicecert_cli.doctor.domain import authority, revocation
from servicecert_cli.doctor.domain.authority import CaCertificate, Cas, Promise, Promises, RootCrl
from servicecert_cli.doctor.domain.check import exit_code, listed, period
from servicecert_cli.doctor.domain.database import Space
from servicecert_cli.doctor.domain.mail import Deferred, Relay, check_mail_login, check_mail_server, check_mails
from servicecert_cli.doctor.domain.registers import LostKeys, Registers, check_key_lists, check_registers
from servicecert_cli.doctor.domain.revocation import CrlPass, FetchedCrl, OcspAnswer, OpenRevocations, ServedCa

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


def cas(left, root=4_000, **changes):
    issuing = CaCertificate("production-ec", NOW + left, **changes)
    return Cas(NOW, (issuing,), (CaCertificate("root", NOW + days(root)),))


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
    holds(authority.check_ca_validity(cas(left)), severity, words)


def test_a_root_expires_too_and_the_worst_is_said():
    holds(authority.check_ca_validity(cas(days(100), root=10)), CRITICAL, "root expires on")


def test_the_folder_of_the_ca():
    holds(authority.check_ca(cas(days(1))), OK, "1 issuing CAs under 1 roots")
    holds(authority.check_ca(Cas(NOW, fault="It is damaged.")), CRITICAL, "It is damaged.")
    holds(authority.check_ca_keys((4, None)), OK, "4 keys")
    holds(authority.check_ca_keys((0, "The key is away.")), CRITICAL, "The key is away.")


def test_a_production_ca_for_trials_is_a_fault_and_a_test_ca_is_none():
    holds(authority.check_trial_ca(cas(days(1))), OK)
    holds(authority.check_trial_ca(cas(days(1), is_for_trials=True)), WARNING, "For trials: production-ec.")
    test_ca = Cas(NOW, (CaCertificate("test-ec", NOW, is_for_trials=True),))
    holds(authority.check_trial_ca(test_ca), OK)


@pytest.mark.parametrize(
    ("ca", "severity", "words"),
    [
        (days(1081), OK, "All 1 types"),
        (days(1079), WARNING, "server of production-ec will outlive its CA in 179 days."),
        (days(900), WARNING, "in 0 days"),
        (days(899), CRITICAL, "server of production-ec would end 1 days after its CA."),
    ],
)
def test_certificates_end_before_their_ca(ca, severity, words):
    made = Promise("server", NOW + days(900), CaCertificate("production-ec", NOW + ca))
    holds(authority.check_ca_profiles(Promises(NOW, (made,))), severity, words)


def test_a_profile_without_an_active_ca():
    holds(authority.check_ca_profiles(Promises(NOW, (), ("test-ec",))), CRITICAL, "No CA is active: test-ec.")


@pytest.mark.parametrize(("left", "severity"), [(30, OK), (29, WARNING), (7, WARNING), (6, CRITICAL), (-1, CRITICAL)])
def test_a_root_s_crl(left, severity):
    crls = [RootCrl("a", NOW + days(left)), RootCrl("b", None), RootCrl("c", NOW + days(300))]
    holds(authority.check_root_crl((NOW, crls)), severity, f"{NOW + days(left):%Y-%m-%d}")
    assert authority.check_root_crl((NOW, [RootCrl("b", None)])).severity is SKIPPED


GOOD = FetchedCrl("http://x/a.crl", None, True, 5, NOW - days(1), NOW + days(2), 5, NOW - days(1))


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({}, OK, "1 fetched; the first is valid until 2026-11-29 12:00 UTC."),
        ({"fault": "answers 404", "next_update": None}, CRITICAL, "http://x/a.crl: answers 404."),
        ({"is_signed": False}, CRITICAL, "not signed by its CA"),
        ({"next_update": None}, CRITICAL, "has expired"),
        ({"next_update": NOW}, CRITICAL, "has expired"),
        ({"next_update": NOW + timedelta(hours=23)}, WARNING, "valid for 23 h only"),
        ({"next_update": NOW + timedelta(hours=24)}, OK, ""),
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
    holds(revocation.check_crl((NOW, [replace(GOOD, **changes)])), severity, words)


def test_nothing_is_served_before_anything_is_issued():
    assert revocation.check_crl((NOW, [])).severity is SKIPPED
    assert revocation.check_ocsp([]).severity is SKIPPED
    assert revocation.check_aia([]).severity is SKIPPED
    assert revocation.check_crl_passes([]).severity is SKIPPED


def test_ocsp_says_what_the_tables_say():
    asked = OcspAnswer("http://o", "4a01")
    holds(revocation.check_ocsp([asked, replace(asked, is_revoked=True, should_be_revoked=True)]), OK, "2 asked")
    holds(
        revocation.check_ocsp([replace(asked, should_be_revoked=True)]), CRITICAL, "says good of 4a01, which is revoked"
    )
    holds(revocation.check_ocsp([replace(asked, is_revoked=True)]), CRITICAL, "says revoked of 4a01, which is good")
    holds(revocation.check_ocsp([asked, replace(asked, fault="does not answer.")]), CRITICAL, "http://o: does not")


def test_ca_certificates_as_they_are_served():
    holds(revocation.check_aia([ServedCa("http://a", is_right=True)]), OK, "1 fetched")
    holds(
        revocation.check_aia([ServedCa("http://a", is_right=True), ServedCa("http://b")]),
        CRITICAL,
        "http://b is another",
    )
    holds(revocation.check_aia([ServedCa("http://a", "answers 500")]), CRITICAL, "http://a: answers 500.")


@pytest.mark.parametrize(("seconds", "severity"), [(14.9, OK), (15.0, WARNING), (29.9, WARNING), (30.0, CRITICAL)])
def test_a_revocation_waits_for_two_passes_over_the_slowest_ca(seconds, severity):
    passes = [CrlPass("production-ec", 10, 0.1), CrlPass("production-rsa", 900_000, seconds)]
    holds(revocation.check_crl_passes(passes), severity, f"production-rsa, 900000 entries, took {seconds} s")


@pytest.mark.parametrize(("seconds", "severity"), [(599, OK), (600, WARNING), (43_199, WARNING), (43_200, CRITICAL)])
def test_a_revocation_is_not_open_for_long(seconds, severity):
    holds(revocation.check_revocations(OpenRevocations(3, seconds)), severity, "3 are open")
    holds(revocation.check_revocations(OpenRevocations(0, 0.0)), OK, "None")


def test_room_for_crls():
    holds(revocation.check_crl_disk(Space("/crls", 100, 50)), OK)
    holds(revocation.check_crl_disk(Space("/crls", 100, 10)), WARNING)


def test_mail_servers():
    well, shut = Relay("a", has_login=True), Relay("b", "It does not answer.", None, True)
    holds(check_mail_server([well]), OK, "a.")
    holds(check_mail_server([well, shut]), WARNING, "It does not answer.")
    holds(check_mail_server([shut]), CRITICAL, "It does not answer.")
    holds(check_mail_server([replace(well, is_encrypted=False)]), WARNING, "Without verified TLS: a.")
    holds(check_mail_login([well, shut]), OK, "Accepted.")
    holds(check_mail_login([replace(well, login_fault="Refused.")]), CRITICAL, "Refused.")
    assert check_mail_login([shut]).severity is SKIPPED
    assert check_mail_login([Relay("a")]).severity is SKIPPED


@pytest.mark.parametrize(
    ("deferred", "severity", "words"),
    [
        (Deferred(0, 0.0, 0), OK, "None waits."),
        (Deferred(2, 3_599, 0, "450"), OK, "2 are tried again (most had the answer 450), none is old."),
        (Deferred(2, 3_600, 0, "450"), WARNING, "2 are tried again (most had the answer 450), the oldest for 60 min."),
        (Deferred(2, 86_400, 0), CRITICAL, "the oldest for 24 h"),
        (Deferred(2, 10, 1), CRITICAL, "refuses us: 1 mails wait"),
    ],
)
def test_mails_do_not_wait(deferred, severity, words):
    holds(check_mails(deferred), severity, words)


@pytest.mark.parametrize(
    ("registers", "severity", "words"),
    [
        (Registers(24, 34), OK, "24 records, deletions among them; the newest is 34 days old."),
        (Registers(24, 35), WARNING, "35 days old"),
        (Registers(24, None), WARNING, "older than two years"),
        (Registers(0, None), CRITICAL, "empty"),
    ],
)
def test_the_registers(registers, severity, words):
    holds(check_registers(registers), severity, words)


def test_lists_of_lost_keys():
    holds(check_key_lists(([LostKeys("a.dat", 7, 89.9)], None)), OK, "a.dat has 7 keys.")
    holds(check_key_lists(([LostKeys("a.dat", 7, 90.0)], None)), WARNING, "Old: a.dat (90 days).")
    holds(check_key_lists(([], "There is no list.")), CRITICAL, "There is no list.")
