"""A certificate of each type and key, made and checked when the issuer starts: what would stop every case is told before the first."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .certificate import AlternativeNames, CertificateRefused, Contents, Subject, build_tbs
from .issuer import IssuerInfo
from .lint import Linter
from .profile import Profile
from .profile_safety import ProfileUnsafe

# CRL, CA certificate and OCSP responder, as the certificate of an issuer with that serial number names them.
Addresses = Callable[[IssuerInfo, int], tuple[str, str, str | None]]

_SERIAL = 1 << 126

_DAY = timedelta(days=1) - timedelta(seconds=1)


def rehearse(
    linter: Linter, profiles: Iterable[Profile], issuers: Iterable[IssuerInfo], addresses: Addresses, now: datetime
) -> None:
    """Check a certificate of each profile and each of its CAs that is valid `now` (aware); nothing is signed by a CA.

    Raises ProfileUnsafe with the first finding.
    """
    present = [issuer for issuer in issuers if issuer.not_before <= now <= issuer.not_after - _DAY]
    for profile in profiles:
        for issuer in present:
            if issuer.is_of(profile.keys[issuer.family].ca):
                contents = _contents(linter, profile, issuer, addresses, now.replace(microsecond=0))
                for code in _codes(linter, contents):
                    raise ProfileUnsafe(
                        f"A certificate of the profile {profile.type_id} by {issuer.id} would have the finding {code}: "
                        "look at the profile, and at the addresses that certificates name."
                    )


def _codes(linter: Linter, contents: Contents) -> Iterable[str]:
    try:
        return linter(contents, build_tbs(contents))
    except CertificateRefused as refused:
        return (refused.code,)


def _contents(
    linter: Linter, profile: Profile, issuer: IssuerInfo, addresses: Addresses, not_before: datetime
) -> Contents:
    crl_url, ca_issuers_url, ocsp_url = addresses(issuer, _SERIAL)
    key = linter.throw_away[issuer.family].public_key()
    return Contents(
        profile=profile,
        issuer=issuer,
        subject=Subject("Rehearsal", "Rehearsal", "0204819-8", "rehearsal.example.fi"),
        names=AlternativeNames(("rehearsal.example.fi",) if profile.dns_names else ()),
        usages=profile.usages,
        spki=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        serial=_SERIAL,
        not_before=not_before,
        not_after=not_before + _DAY,
        crl_url=crl_url,
        ca_issuers_url=ca_issuers_url,
        ocsp_url=ocsp_url,
    )
