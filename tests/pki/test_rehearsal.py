"""A fault that would stop every case is reported when the issuer starts (B3)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.lint import Linter, rehearse
from servicecert_pki.profile import LongestValidity, Profile
from servicecert_pki.profile_safety import ProfileUnsafe
from servicecert_pki.profiles import Profiles

NOW = datetime(2026, 11, 24, 9, 30, 0, 500_000, tzinfo=UTC)


def addresses(base: str, ocsp: str | None = None) -> Callable[[IssuerInfo, int], tuple[str, str, str | None]]:
    return lambda issuer, _: (f"{base}/{issuer.id}.7.crl", f"{base}/{issuer.id}.cer", ocsp)


@pytest.fixture
def rehearsed(linter: Linter, profiles: Profiles, authority: Authority) -> Callable[..., None]:
    def run(base: str = "http://crl.example.fi", ocsp: str | None = None, **changes: object) -> None:
        changed: Mapping[str, Profile] = {it: replace(profile, **changes) for it, profile in profiles.by_type.items()}
        rehearse(linter, changed.values(), authority.issuers.values(), addresses(base, ocsp), NOW)

    return run


def test_the_shipped_profiles_pass(rehearsed: Callable[..., None]) -> None:
    for base in ("http://crl.example.fi", "http://127.0.0.1:8080", "http://[2001:db8::1]:8080"):
        rehearsed(base, "http://ocsp.example.fi")


@pytest.mark.parametrize(
    ("base", "ocsp", "code"),
    [
        ("http://localhost:8080", None, "pkix.invalid_uri_syntax"),
        ("http://under_score", None, "pkix.invalid_uri_syntax"),
        ("http://crl.example.fi", "http://o c", "url"),
        ("http://crl.example.fi", "http://a..b", "pkix.invalid_uri_syntax"),
    ],
)
def test_an_address_that_no_certificate_can_name_is_an_error(
    rehearsed: Callable[..., None], base: str, ocsp: str | None, code: str
) -> None:
    with pytest.raises(
        ProfileUnsafe, match=rf"profile server by production-\w+ would have the finding {code}: look at"
    ):
        rehearsed(base, ocsp)


def test_a_profile_that_allows_nothing_is_an_error(rehearsed: Callable[..., None]) -> None:
    with pytest.raises(ProfileUnsafe, match="the finding validity"):
        rehearsed(longest_validity=(LongestValidity(0),))
