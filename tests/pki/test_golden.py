"""A stored certificate of each profile and key family, as text and bytes: it shows what a change of a profile changes.

After a wanted change: GOLDEN=write .venv/bin/pytest tests/pki/test_golden.py, and read the difference.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pki.readable import text
from servicecert_pki.certificate import AlternativeNames, Contents, Subject, build_tbs, sign_tbs
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import PrivateKey, PublicKey, family_of_key
from servicecert_pki.lint import Linter
from servicecert_pki.profile import Profile, Usage
from servicecert_pki.profiles import Profiles
from servicecert_pki.spki import KeyFamily
from servicecert_pki.validity import validity

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = GOLDEN / "versions.txt"
WRITE = os.environ.get("GOLDEN") == "write"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NAMES = {KeyFamily.RSA: "rsa2048", KeyFamily.EC: "p384"}


@dataclass(frozen=True)
class GoldenKey:
    """A CA key with a deterministic signature. It is published here, so it is worthless."""

    private: PrivateKey

    @property
    def family(self) -> KeyFamily:
        return family_of_key(self.private.public_key())

    def public_key(self) -> PublicKey:
        return self.private.public_key()

    def sign(self, *parts: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(b"".join(parts), padding.PKCS1v15(), hashes.SHA512())
        return self.private.sign(b"".join(parts), ec.ECDSA(hashes.SHA384(), deterministic_signing=True))


@cache
def rsa_key(line: int) -> rsa.RSAPrivateKey:
    """Return an RSA key from two primes in a line of hexadecimal digits."""
    p, q = (int(prime, 16) for prime in (GOLDEN / "rsa-primes.txt").read_text().splitlines()[line].split())
    d = rsa.rsa_recover_private_exponent(65537, p, q)
    public = rsa.RSAPublicNumbers(65537, p * q)
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key(unsafe_skip_rsa_key_validation=True)


@cache
def keys(number: int) -> Mapping[KeyFamily, PrivateKey]:
    """The CAs' keys have number 0, the subscribers' number 1."""
    return {KeyFamily.RSA: rsa_key(number), KeyFamily.EC: ec.derive_private_key(0x5EC0DE + number, ec.SECP384R1())}


def issuer_of(profile: Profile, family: KeyFamily) -> IssuerInfo:
    key = GoldenKey(keys(0)[family])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Golden CA {profile.keys[family].ca}")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW.replace(year=2036))
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = builder.add_extension(key_id, critical=False).sign(key.private, hashes.SHA512())
    return IssuerInfo.of(profile.keys[family].ca, profile.environment, certificate, certificate)


def contents_of(profile: Profile, family: KeyFamily, usages: frozenset[Usage] | None = None) -> Contents:
    issuer, valid = issuer_of(profile, family), validity(profile, NOW)
    dns, ip = ("kanta.example.fi", "xn--trdgrd-cuak.example.fi"), (ip_address("192.0.2.7"), ip_address("2001:db8::7"))
    return Contents(
        profile=profile,
        issuer=issuer,
        subject=Subject(
            "Esimerkkiapteekki Oy",
            "Helsingin VI apteekki",
            "0204819-8",
            dns[0] if profile.dns_names else "Esimerkkijärjestelmä",
        ),
        names=AlternativeNames(dns, ip) if profile.dns_names else AlternativeNames(),
        usages=profile.usages if usages is None else usages,
        spki=keys(1)[family].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        serial=0x4F9D1E2C_00112233_44556677_8899AABB,
        not_before=valid.not_before,
        not_after=valid.not_after,
        crl_url=f"http://crl.example.fi/{issuer.id}.12.crl",
        ca_issuers_url=f"http://crl.example.fi/{issuer.id}.cer",
        ocsp_url="http://ocsp.example.fi",
    )


@pytest.mark.parametrize("family", KeyFamily)
@pytest.mark.parametrize(
    ("type_id", "usages"),
    [(it, None) for it in ("server", "test-server", "system-signature", "test-system-signature")]
    + [("server", frozenset({Usage.CLIENT_AUTH}))],
)
def test_a_certificate_is_the_stored_one(
    profiles: Profiles, linter: Linter, type_id: str, usages: frozenset[Usage] | None, family: KeyFamily
) -> None:
    meant = contents_of(profiles[type_id], family, usages)
    tbs = build_tbs(meant)
    assert linter.findings(meant, tbs) == ()
    certificate = sign_tbs(tbs, GoldenKey(keys(0)[family]))
    pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    stored = GOLDEN / "-".join((type_id, *(usages or ()), NAMES[family]))
    if WRITE:
        stored.with_suffix(".txt").write_text(text(certificate), "utf-8")
        stored.with_suffix(".pem").write_bytes(pem)
    assert text(certificate) == stored.with_suffix(".txt").read_text("utf-8")
    assert pem == stored.with_suffix(".pem").read_bytes()


def test_a_changed_profile_has_another_version(profiles: Profiles) -> None:
    """A version of a profile never changes: certificates name the version that they were issued by."""
    known = dict(line.rsplit(" ", 1) for line in VERSIONS.read_text().splitlines())
    for profile in (*profiles.by_type.values(), *profiles.earlier.values()):
        type_id = profile.type_id
        version = f"{type_id} {profile.version}"
        if WRITE:
            known.setdefault(version, profile.digest)
        assert known.get(version) == profile.digest, f"raise the version in {type_id}.toml, then GOLDEN=write"
    if WRITE:
        VERSIONS.write_text("".join(f"{version} {digest}\n" for version, digest in sorted(known.items())))
