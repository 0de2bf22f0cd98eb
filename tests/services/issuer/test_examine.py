"""What the issuer finds out about an accepted application before it decides."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from servicecert_issuer.examine import Examine, Office, allocate, starting
from servicecert_issuer.issuance import Allocated
from servicecert_issuer.refusals import Unissuable
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import sign_tbs
from servicecert_pki.keys import SigningKey
from servicecert_pki.profiles import Profiles
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted, ServerNames
from servicecert_schemas.values import CertificateType, Usage
from servicecert_worker.decider import Event

Accepted = Callable[..., ApplicationAccepted]
MakeEvent = Callable[..., Event]

NOW = datetime(2026, 11, 24, 10, 30, 15, 250_000, tzinfo=UTC)
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_0001


def certificate_of(found: Allocated | Unissuable, keys: Mapping[str, SigningKey]) -> x509.Certificate:
    assert isinstance(found, Allocated)
    return x509.load_der_x509_certificate(sign_tbs(found.tbs, keys[found.issuer]))


@pytest.mark.parametrize(
    ("type", "key", "issuer"),
    [
        (CertificateType.SERVER, "ec", "production-ec"),
        (CertificateType.SYSTEM_SIGNATURE, "rsa", "production-rsa"),
        (CertificateType.TEST_SERVER, "rsa", "test-rsa"),
        (CertificateType.TEST_SYSTEM_SIGNATURE, "ec", "test-ec"),
    ],
)
def test_I11_type_and_key_choose_the_issuing_ca(
    office: Office, accepted: Accepted, ca_keys: Mapping[str, SigningKey], type: CertificateType, key: str, issuer: str
) -> None:
    found = allocate(office, accepted(type, key), SERIAL, NOW)
    certificate = certificate_of(found, ca_keys)
    assert isinstance(found, Allocated)
    assert (found.issuer, found.profile, found.profile_version, found.partition) == (issuer, type, 1, 0)
    assert found.serial_hex == "4a000000000000000000000000000001"
    assert certificate.serial_number == SERIAL
    assert "Some-State" not in certificate.subject.rfc4514_string()


def test_certificate_names_where_crl_and_issuer_are_fetched(
    office: Office, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    certificate = certificate_of(allocate(office, accepted(), SERIAL, NOW), ca_keys)
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [name.value for point in points for name in point.full_name or ()] == [
        "http://crl.example.fi/production-ec.crl"
    ]
    assert [it.access_location.value for it in access] == ["http://crl.example.fi/production-ec.cer"]


def test_certificate_names_the_responder_where_there_is_one(
    office: Office, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    found = allocate(replace(office, ocsp_url="http://ocsp.example.fi"), accepted(), SERIAL, NOW)
    access = certificate_of(found, ca_keys).extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert "http://ocsp.example.fi" in [it.access_location.value for it in access]


def test_B1_validity_is_the_types_longest_and_begins_with_the_second(office: Office, accepted: Accepted) -> None:
    found = allocate(office, accepted(), SERIAL, NOW)
    assert isinstance(found, Allocated)
    assert found.not_before == datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
    assert found.not_after == datetime(2028, 11, 24, 10, 30, 14, tzinfo=UTC)


def test_B1_shorter_validity_is_given(office: Office, accepted: Accepted) -> None:
    found = allocate(office, accepted(validity_days=30), SERIAL, NOW)
    assert isinstance(found, Allocated)
    assert found.not_after - found.not_before == timedelta(days=30) - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        (None, datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)),
        (date(2026, 11, 1), datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)),
        (date(2026, 12, 24), datetime(2026, 12, 23, 22, tzinfo=UTC)),
        (date(2027, 6, 1), datetime(2027, 5, 31, 21, tzinfo=UTC)),
    ],
)
def test_A14_start_date_is_midnight_in_helsinki(accepted: Accepted, asked: date | None, begins: datetime) -> None:
    assert starting(accepted(start_date=asked), NOW) == begins


@pytest.mark.parametrize(
    ("code", "words", "changes"),
    [
        ("validity", "validity", {"validity_days": 100_000}),
        ("key", "key", {"key": "ed25519"}),
        ("key", "key", {"csr": "AAAA"}),
        ("usage", "usages", {"usages": ()}),
        ("names", "names", {"names": ServerNames(dns=("other.example.fi",))}),
        ("dns-name-labels", "names", {"names": ServerNames(dns=("kanta",))}),
        ("ip-address-form", "names", {"names": ServerNames(dns=("kanta.example.fi",), ip=("1.2.3",))}),
    ],
)
def test_what_cannot_be_issued_says_what_to_do(
    office: Office, accepted: Accepted, code: str, words: str, changes: dict[str, Any]
) -> None:
    found = allocate(office, accepted(**changes), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == code
    assert words in found.texts.en
    assert all((found.texts.sv, found.texts.fi))


def test_too_long_a_name_is_refused_and_not_cut(office: Office, accepted: Accepted) -> None:
    long = accepted().subject.model_copy(update={"organisational_unit": "x" * 65})
    found = allocate(office, accepted(subject=long), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "text-too-long"
    assert "64 characters" in found.texts.en


def test_missing_profile_is_the_authoritys_fault(office: Office, accepted: Accepted) -> None:
    found = allocate(replace(office, profiles=Profiles({})), accepted(), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "no-profile"
    assert "authority" in found.texts.en


def test_missing_issuing_ca_is_the_authoritys_fault(office: Office, accepted: Accepted) -> None:
    bare = replace(office, authority=Authority(office.authority.directory, {}))
    found = allocate(bare, accepted(usages=(Usage.SERVER_AUTH,)), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "no-issuer"


def test_each_accepted_application_gets_its_own_serial(office: Office, accepted: Accepted, event: MakeEvent) -> None:
    drawn = iter([b"\x01" * 16, b"\x02" * 16])
    withdrawn = event(AcceptedWithdrawn(case_id=accepted().case_id))
    examine = Examine(office, random=lambda _: next(drawn), clock=lambda: NOW)
    first, second, third = examine([event(accepted()), withdrawn, event(accepted())])
    assert second is withdrawn
    assert {first.facts.serial, third.facts.serial} == {
        int.from_bytes(b"\x41" + b"\x01" * 15),
        int.from_bytes(b"\x42" + b"\x02" * 15),
    }
