"""Examining an accepted application before the decision."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from servicecert_issuer.domain.examine import Examine, IssuingContext, contents_of, examine_application
from servicecert_issuer.domain.issuance import Linted, Stopped
from servicecert_issuer.domain.unissuable import Unissuable
from servicecert_pki.certificate import Contents, sign_tbs
from servicecert_pki.keys import SigningKey
from servicecert_pki.lint import Linter, LintSetting
from servicecert_pki.profile import LongestValidity
from servicecert_pki.profiles import Profiles
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted, ServerNames
from servicecert_schemas.values import CertificateType, Usage
from servicecert_worker.core.decider import Event

Accepted = Callable[..., ApplicationAccepted]
MakeEvent = Callable[..., Event]

NOW = datetime(2026, 11, 24, 10, 30, 15, 250_000, tzinfo=UTC)
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_0001


def unexpected(application: ApplicationAccepted, findings: Sequence[str]) -> None:
    raise AssertionError(f"An alarm for {application.case_id}: {findings}")


def allocate(
    context: IssuingContext, application: ApplicationAccepted, serial: int, moment: datetime
) -> Linted | Unissuable:
    """Return the draft, without findings, or the refusal."""
    found = examine_application(context, application, serial, moment)
    assert not isinstance(found, Stopped)
    return found


def certificate_of(found: Linted | Unissuable, keys: Mapping[str, SigningKey]) -> x509.Certificate:
    assert isinstance(found, Linted)
    return x509.load_der_x509_certificate(sign_tbs(found.tbs, keys[found.issuer]))


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter.with_new_keys(LintSetting.SHAPE)


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
    context: IssuingContext,
    accepted: Accepted,
    ca_keys: Mapping[str, SigningKey],
    type: CertificateType,
    key: str,
    issuer: str,
) -> None:
    found = allocate(context, accepted(type, key), SERIAL, NOW)
    certificate = certificate_of(found, ca_keys)
    assert isinstance(found, Linted)
    assert (found.issuer, found.profile, found.partition) == (issuer, type, 2)
    assert found.profile_version == context.profiles[type].version
    assert found.serial == "4a000000000000000000000000000001"
    assert certificate.serial_number == SERIAL
    assert "Some-State" not in certificate.subject.rfc4514_string()


def test_certificate_names_where_crl_and_issuer_are_fetched(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    certificate = certificate_of(allocate(context, accepted(), SERIAL, NOW), ca_keys)
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [name.value for point in points for name in point.full_name or ()] == [
        "http://crl.example.fi/production-ec.2.crl"
    ]
    assert [it.access_location.value for it in access] == ["http://crl.example.fi/production-ec.cer"]


def test_certificate_names_the_responder_where_there_is_one(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey]
) -> None:
    found = allocate(replace(context, ocsp_url="http://ocsp.example.fi"), accepted(), SERIAL, NOW)
    access = certificate_of(found, ca_keys).extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert "http://ocsp.example.fi" in [it.access_location.value for it in access]


def test_B1_validity_is_the_types_longest_and_begins_with_the_second(
    context: IssuingContext, accepted: Accepted
) -> None:
    found = allocate(context, accepted(), SERIAL, NOW)
    assert isinstance(found, Linted)
    assert found.not_before == datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
    assert found.not_after == datetime(2028, 11, 24, 10, 30, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "days", "granted"),
    [
        ("2028-02-28T23:59:59+00:00", 731, 731),
        ("2028-02-29T00:00:00+00:00", 731, 730),
        ("2028-02-29T00:00:00+00:00", 730, 730),
    ],
)
def test_B1_what_was_accepted_is_never_refused_where_it_is_signed_late(
    context: IssuingContext, accepted: Accepted, moment: str, days: int, granted: int
) -> None:
    """Delivery was due before the leap day; what fitted then is as long as possible now."""
    late = accepted(validity_days=days, due=datetime(2028, 2, 25, 21, 59, 59, tzinfo=UTC))
    found = allocate(context, late, SERIAL, datetime.fromisoformat(moment))
    assert isinstance(found, Linted)
    assert found.not_after - found.not_before == timedelta(days=granted) - timedelta(seconds=1)


def test_B1_shorter_validity_is_given(context: IssuingContext, accepted: Accepted) -> None:
    found = allocate(context, accepted(validity_days=30), SERIAL, NOW)
    assert isinstance(found, Linted)
    assert found.not_after - found.not_before == timedelta(days=30) - timedelta(seconds=1)


def test_B1_a_stricter_limit_holds_for_a_certificate_that_is_to_start_on_its_day(
    context: IssuingContext, accepted: Accepted
) -> None:
    limits = (LongestValidity(2), LongestValidity(1, date(2026, 12, 24)))
    profiles = {it: replace(profile, longest_validity=limits) for it, profile in context.profiles.by_type.items()}
    strict = replace(context, profiles=Profiles(profiles))
    until = [
        contents_of(strict, accepted(start_date=date(2026, 12, day)), SERIAL, NOW).not_after.year for day in (23, 24)
    ]
    assert until == [2028, 2027]


def test_B1_a_certificate_that_begins_at_once_is_dated_back_by_its_profile(
    context: IssuingContext, accepted: Accepted
) -> None:
    """And is no longer valid for it; one that begins later begins when it was asked to, and none before its CA."""
    hour = timedelta(hours=1)
    profiles = Profiles({it: replace(profile, backdating=hour) for it, profile in context.profiles.by_type.items()})
    early = replace(context, profiles=profiles)
    now = NOW.replace(microsecond=0)
    contents = contents_of(early, accepted(), SERIAL, NOW)
    assert (contents.not_before, contents.not_after) == (
        now - hour,
        now.replace(year=2028) - hour - timedelta(seconds=1),
    )
    later = contents_of(early, accepted(start_date=date(2026, 12, 24)), SERIAL, NOW)
    assert later.not_before == datetime(2026, 12, 23, 22, tzinfo=UTC)
    born = contents.issuer.not_before
    assert contents_of(early, accepted(), SERIAL, born + timedelta(minutes=5)).not_before == born


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
    context: IssuingContext, accepted: Accepted, code: str, words: str, changes: dict[str, Any]
) -> None:
    found = allocate(context, accepted(**changes), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == code
    assert words in found.texts.en
    assert all((found.texts.sv, found.texts.fi))


def test_too_long_a_name_is_refused_and_not_cut(context: IssuingContext, accepted: Accepted) -> None:
    long = accepted().subject.model_copy(update={"organisational_unit": "x" * 65})
    found = allocate(context, accepted(subject=long), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "text-too-long"
    assert "shorter name" in found.texts.en


def test_missing_profile_is_the_authoritys_fault(context: IssuingContext, accepted: Accepted) -> None:
    found = allocate(replace(context, profiles=Profiles({})), accepted(), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "no-profile"
    assert "authority" in found.texts.en


def test_missing_issuing_ca_is_the_authoritys_fault(context: IssuingContext, accepted: Accepted) -> None:
    bare = replace(context, authority=replace(context.authority, issuers={}))
    found = allocate(bare, accepted(usages=(Usage.SERVER_AUTH,)), SERIAL, NOW)
    assert isinstance(found, Unissuable)
    assert found.code == "no-issuer"


def test_a_ca_that_ends_too_soon_stops_the_application_and_takes_no_decision_back(
    context: IssuingContext, accepted: Accepted
) -> None:
    late = context.authority.issuers["production-ec"].not_after - timedelta(days=700)
    assert isinstance(allocate(context, accepted(), SERIAL, late - timedelta(days=60)), Linted)
    found = examine_application(context, accepted(), SERIAL, late)
    assert found == Stopped(accepted(), "production-ec", ("profile.issuer-validity",))


def test_each_accepted_application_gets_its_own_serial(
    context: IssuingContext, accepted: Accepted, event: MakeEvent
) -> None:
    drawn = iter([b"\x01" * 16, b"\x02" * 16])
    withdrawn = event(AcceptedWithdrawn(case_id=accepted().case_id))
    examine = Examine(context, random=lambda _: next(drawn), clock=lambda: NOW, alarm=unexpected)
    first, second, third = examine([event(accepted()), withdrawn, event(accepted())])
    assert second is withdrawn
    assert {first.facts.serial, third.facts.serial} == {"41" + "01" * 15, "42" + "02" * 15}


def test_B3_certificate_with_findings_is_stopped(context: IssuingContext, accepted: Accepted) -> None:
    seen = []

    def lint(contents: Contents, tbs: bytes) -> list[str]:
        seen.append((contents.serial, tbs))
        return ["pkix.a", "pkix.b"]

    found = examine_application(replace(context, lint=lint), accepted(), SERIAL, NOW)
    assert found == Stopped(accepted(), "production-ec", ("pkix.a", "pkix.b"))
    drafted = allocate(context, accepted(), SERIAL, NOW)
    assert isinstance(drafted, Linted)
    assert seen == [(SERIAL, drafted.tbs)]


@pytest.mark.parametrize("key", ["ec", "rsa"])
@pytest.mark.parametrize("type", CertificateType)
def test_B3_every_kind_passes_the_real_checks(
    context: IssuingContext, accepted: Accepted, linter: Linter, type: CertificateType, key: str
) -> None:
    assert isinstance(examine_application(replace(context, lint=linter), accepted(type, key), SERIAL, NOW), Linted)


def test_B3_mistaken_profile_signs_nothing(context: IssuingContext, accepted: Accepted, linter: Linter) -> None:
    """A draft that reads otherwise than it was meant is stopped."""

    def mistaken(contents: Contents, tbs: bytes) -> Sequence[str]:
        return linter(replace(contents, crl_url="http://other.example.fi/x.crl"), tbs)

    found = examine_application(replace(context, lint=mistaken), accepted(), SERIAL, NOW)
    assert isinstance(found, Stopped)
    assert found.findings == ("read-back.differs",)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        # 29 February has no anniversary: the day before, so never more than two years.
        (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2030, 2, 28, 11, 59, 59, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2030, 2, 27, 23, 59, 59, tzinfo=UTC)),
        (datetime(2026, 3, 1, tzinfo=UTC), datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC)),
        # Daylight saving begins and ends between the two: UTC does not care.
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), datetime(2028, 3, 29, 0, 59, 58, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 0, 0, tzinfo=UTC), datetime(2028, 10, 25, 0, 59, 59, tzinfo=UTC)),
    ],
)
def test_B1_two_years_from_odd_days(
    context: IssuingContext, accepted: Accepted, ca_keys: Mapping[str, SigningKey], begins: datetime, ends: datetime
) -> None:
    certificate = certificate_of(allocate(context, accepted(), SERIAL, begins), ca_keys)
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (begins, ends)


def test_year_2050_is_written_as_generalized_time(context: IssuingContext, accepted: Accepted, linter: Linter) -> None:
    """RFC 5280, 4.1.2.5: UTCTime through 2049."""
    late = SimpleNamespace(not_before=NOW, not_after=datetime(2060, 1, 1, tzinfo=UTC))
    issuers = {id: replace(it, **vars(late)) for id, it in context.authority.issuers.items()}
    lasting = replace(context, lint=linter, authority=replace(context.authority, issuers=issuers))
    for begins, validity in (
        (datetime(2047, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x30\x1e\x17\x0d471231235959Z\x17\x0d491231235958Z"),
        (datetime(2048, 1, 1, 0, 0, 1, tzinfo=UTC), b"\x30\x20\x17\x0d480101000001Z\x18\x0f20500101000000Z"),
        (datetime(2050, 1, 1, tzinfo=UTC), b"\x30\x22\x18\x0f20500101000000Z\x18\x0f20511231235959Z"),
    ):
        found = allocate(lasting, accepted(), SERIAL, begins)
        assert isinstance(found, Linted), found
        assert validity in found.tbs
