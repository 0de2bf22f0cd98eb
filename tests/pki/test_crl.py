from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import crl as asn1
from crls import build_crl, check_crl
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.crl import CrlHead, CrlUnsound, Reason, RevokedCertificate, check_entry, entry_der
from servicecert_pki.der import extension
from servicecert_pki.keys import SigningKey
from servicecert_pki.serials import LARGEST_SERIAL

NOW = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
REVOKED = RevokedCertificate(1 << 127, NOW, Reason.KEY_COMPROMISE, NOW - timedelta(days=3))

moments = st.datetimes(
    datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2060-01-01"), timezones=st.just(UTC)
)
revoked = st.builds(
    RevokedCertificate, st.integers(1, LARGEST_SERIAL), moments, st.sampled_from(Reason), st.none() | moments
)


def encoded(it: RevokedCertificate) -> bytes:
    return entry_der(it.serial, it.revoked_at, it.reason, it.invalidity_date)


@pytest.mark.parametrize("id", ["production-rsa", "production-ec", "test-rsa", "test-ec"])
def test_D7_a_list_holds_its_number_times_and_entries(
    authority: Authority, ca_keys: Mapping[str, SigningKey], id: str
) -> None:
    issuer = authority.issuer(id)
    crl = build_crl(ca_keys[id], issuer, NOW, LATER, [encoded(REVOKED)], 1 << 70)
    check_crl(crl, issuer, 1 << 70, [REVOKED])
    read = asn1.CertificateList.load(crl, strict=True)
    assert read.dump(force=True) == crl
    assert read.crl_number_value.native == 1 << 70
    assert read.authority_key_identifier == issuer.key_id
    assert read["tbs_cert_list"]["this_update"].native == NOW.replace(microsecond=0)
    assert read["tbs_cert_list"]["next_update"].native == LATER.replace(microsecond=0)
    assert read["tbs_cert_list"]["version"].native == "v2"
    (entry,) = read["tbs_cert_list"]["revoked_certificates"]
    assert entry.crl_reason_value.native == "key_compromise"
    assert entry.invalidity_date_value.native == NOW.replace(microsecond=0) - timedelta(days=3)


def test_D7_an_empty_list_has_no_entries_field(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> None:
    issuer = authority.issuer("test-ec")
    crl = build_crl(ca_keys["test-ec"], issuer, NOW, LATER, b"", 1)
    check_crl(crl, issuer, 1, [])
    assert asn1.CertificateList.load(crl)["tbs_cert_list"]["revoked_certificates"].native is None


@given(st.lists(revoked, max_size=8, unique_by=lambda it: it.serial))
def test_D7_the_list_is_proved_equal_to_the_revoked_set(
    authority: Authority, ca_keys: Mapping[str, SigningKey], entries: list[RevokedCertificate]
) -> None:
    issuer = authority.issuer("test-ec")
    crl = build_crl(ca_keys["test-ec"], issuer, NOW, LATER, b"".join(map(encoded, entries)), 7)
    check_crl(crl, issuer, 7, reversed(entries))


@pytest.mark.parametrize(
    "other",
    [
        RevokedCertificate(1, NOW, Reason.KEY_COMPROMISE, REVOKED.invalidity_date),
        RevokedCertificate(REVOKED.serial, NOW, Reason.PRIVILEGE_WITHDRAWN, REVOKED.invalidity_date),
        RevokedCertificate(REVOKED.serial, LATER, Reason.KEY_COMPROMISE, REVOKED.invalidity_date),
        RevokedCertificate(REVOKED.serial, NOW, Reason.KEY_COMPROMISE),
    ],
)
def test_D7_an_entry_that_differs_in_anything_is_not_stored(other: RevokedCertificate) -> None:
    check_entry(encoded(other), other)
    with pytest.raises(CrlUnsound, match="cannot be decoded again"):
        check_entry(encoded(other), REVOKED)


@pytest.mark.parametrize("code", [None, 0, 4, 6, 8])
def test_D2_an_entry_without_one_of_the_services_reasons_is_not_stored(code: int | None) -> None:
    reason = b"" if code is None else der.sequence(extension("2.5.29.21", der.tlv(0x0A, bytes((code,)))))
    entry = der.sequence(der.integer(REVOKED.serial), der.time(NOW), reason)
    with pytest.raises(CrlUnsound, match="cannot be decoded again"):
        check_entry(entry, RevokedCertificate(REVOKED.serial, NOW, Reason.KEY_COMPROMISE))


def test_D2_hold_and_removal_do_not_exist() -> None:
    assert {reason.value for reason in Reason} == {1, 3, 5, 9}


def test_a_list_that_ends_before_it_begins_is_refused(authority: Authority) -> None:
    with pytest.raises(ValueError, match="later than this one"):
        CrlHead(authority.issuer("test-ec"), 7, NOW, NOW)
