"""The check of a certificate before it is signed (B3): read back, and by pkilint for each one or each shape.

pkilint has the rules of RFC 5280 and PKIX here, not those of the CA/Browser Forum. Its import takes 0.2 s.

A shape is everything that a linter's findings can depend on, apart from what `read_back.py` compares. Certificates
of one shape have the same profile, issuer, key size and usages, and values that differ only in their letters and
digits. docs/lint.md says what each setting guarantees and why a shape is enough; a test proves it.

A certificate of each type and key is rehearsed when the issuer starts: a fault of every case shows before the first.
"""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name

from .certificate import AlternativeNames, Contents, Subject, build_tbs, sign_tbs
from .issuer import IssuerInfo
from .keys import SigningKey
from .names import CertificateRefused
from .profile import Profile
from .profile_safety import ProfileUnsafe
from .read_back import difference
from .software_key import SoftwareKey
from .spki import KeyFamily, key_size, spki_of

Shape: TypeAlias = Hashable

# Returns the URLs of CRL, CA certificate and OCSP responder for a certificate of that issuer and serial number.
Addresses = Callable[[IssuerInfo, int], tuple[str, str, str | None]]

# Ordinary certificates have few shapes; the oldest is dropped from the cache, and linted again when it recurs.
_MAX_SHAPES = 4096

# The year from which times are encoded as GeneralizedTime (RFC 5280, 4.1.2.5).
_GENERALIZED_TIME = 2050

_REHEARSED_SERIAL = 1 << 126
_REHEARSED_FOR = timedelta(days=1) - timedelta(seconds=1)

_CERTIFICATE = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)
_CRL = crl.create_pkix_crl_validator_container(
    [
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
    ],
    [
        crl.create_issuer_validator_container([]),
        crl.create_validity_validator_container([]),
        crl.create_extensions_validator_container([]),
    ],
)
_CERTIFICATES = loader.RFC5280CertificateDocumentLoader()
_CRLS = loader.RFC5280CertificateListDocumentLoader()


class Severity(IntEnum):
    """The severity of a finding; a smaller number is worse."""

    FATAL = 0
    ERROR = 1
    WARNING = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A linter's finding: a stable code, and its place in the document. It quotes nothing of it (E3)."""

    severity: Severity
    code: str
    where: str


def lint_certificate(encoded: bytes) -> tuple[Finding, ...]:
    """Return the findings of warning level or worse about a DER certificate."""
    return _lint(_CERTIFICATES, _CERTIFICATE, encoded)


def lint_crl(encoded: bytes) -> tuple[Finding, ...]:
    """Return the findings of warning level or worse about a DER CRL; it takes 0.2 ms for each entry."""
    return _lint(_CRLS, _CRL, encoded)


def _lint(documents: Any, validators: Any, encoded: bytes) -> tuple[Finding, ...]:
    try:
        document = documents.load_der_document(encoded)
    except ValueError:
        return (Finding(Severity.FATAL, "unreadable", ""),)
    return tuple(
        Finding(Severity(it.finding.severity), it.finding.code, result.node.path)
        for result in validators.validate(document.root)
        for it in result.finding_descriptions
        if it.finding.severity <= Severity.WARNING
    )


class LintSetting(StrEnum):
    """Which certificates pkilint checks: each one, or the first of each shape in a process."""

    EVERY = "every"
    SHAPE = "shape"


@dataclass(frozen=True)
class Linter:
    """Checks a certificate before it is signed. The throw-away keys sign a copy for pkilint; they certify nothing.

    `warned` has the number of certificates with each warning, by its code. Certificates with warnings are signed.
    """

    setting: LintSetting
    throw_away: dict[KeyFamily, SigningKey] = field(repr=False)
    warned: Counter[str] = field(default_factory=Counter, repr=False)
    _shapes: dict[Shape, tuple[Finding, ...]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def with_new_keys(cls, setting: LintSetting) -> "Linter":
        """Draw new keys. RSA 2048 is generated faster than a CA's key and signs by the same algorithm."""
        keys = (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1()))
        return cls(setting, {(key := SoftwareKey(each)).family: key for each in keys})

    def __call__(self, contents: Contents, tbs: bytes) -> Sequence[str]:
        """Return the codes of the findings of error level or worse; a certificate with any must not be signed."""
        findings = self.findings(contents, tbs)
        if warned := {it.code for it in findings if it.severity is Severity.WARNING}:
            with self._lock:
                self.warned.update(warned)
        return [it.code for it in findings if it.severity <= Severity.ERROR]

    def findings(self, contents: Contents, tbs: bytes) -> tuple[Finding, ...]:
        """Return the findings of warning level or worse about `tbs`, the encoded `contents`. They quote no value."""
        if (where := difference(contents, tbs)) is not None:
            return (Finding(Severity.FATAL, "read-back.differs", where),)
        if self.setting is LintSetting.EVERY:
            return self._lint(contents, tbs)
        shape = shape_of(contents)
        findings = self._shapes.get(shape)
        if findings is None:
            findings = self._lint(contents, tbs)
            self._cache(shape, findings)
        return findings

    def _lint(self, contents: Contents, tbs: bytes) -> tuple[Finding, ...]:
        return lint_certificate(sign_tbs(tbs, self.throw_away[contents.issuer.family]))

    def _cache(self, shape: Shape, findings: tuple[Finding, ...]) -> None:
        """Store the findings of a shape, unless one is an error: it is rare, and may come from the values."""
        if any(it.severity <= Severity.ERROR for it in findings):
            return
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.pop(next(iter(self._shapes)), None)
        self._shapes[shape] = findings


def shape_of(contents: Contents) -> Shape:
    """Return a value that is equal for contents of the same shape."""
    subject = contents.subject
    return (
        contents.profile.digest,
        contents.issuer.certificate_der,
        key_size(contents.spki),
        contents.usages,
        (contents.serial.bit_length() + 8) // 8,
        contents.not_before.year < _GENERALIZED_TIME,
        contents.not_after.year < _GENERALIZED_TIME,
        tuple(map(_characters, (subject.organisation, subject.unit, subject.business_id, subject.common_name))),
        frozenset(map(_pattern, contents.names.dns)),
        frozenset(address.version for address in contents.names.ip),
        tuple(map(_digits, (contents.crl_url, contents.ca_issuers_url, contents.ocsp_url or ""))),
    )


@lru_cache(maxsize=4096)
def _characters(text: str) -> frozenset[str]:
    """Return the categories of the characters in a text, each with its size in UTF-8."""
    return frozenset(f"{unicodedata.category(it)}{len(it.encode())}" for it in set(text))


def _pattern(name: str) -> str:
    """Return a host name with each run of letters replaced by one a, and each run of digits by one 0."""
    return _digits(re.sub(r"[a-z]+", "a", name))


@lru_cache(maxsize=4096)
def _digits(text: str) -> str:
    """Return a URL with each number replaced by 0: a CRL's partition changes nothing else."""
    return re.sub(r"[0-9]+", "0", text)


def rehearse(
    linter: Linter, profiles: Iterable[Profile], issuers: Iterable[IssuerInfo], addresses: Addresses, now: datetime
) -> None:
    """Lint a sample certificate of each profile and each of its CAs that is valid `now` (aware); no CA signs.

    Raises ProfileUnsafe with the first finding.
    """
    valid = [issuer for issuer in issuers if issuer.not_before <= now <= issuer.not_after - _REHEARSED_FOR]
    for profile in profiles:
        for issuer in valid:
            if issuer.is_of(profile.keys[issuer.family].ca):
                contents = _rehearsed(linter, profile, issuer, addresses, now.replace(microsecond=0))
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


def _rehearsed(
    linter: Linter, profile: Profile, issuer: IssuerInfo, addresses: Addresses, not_before: datetime
) -> Contents:
    crl_url, ca_issuers_url, ocsp_url = addresses(issuer, _REHEARSED_SERIAL)
    return Contents(
        profile=profile,
        issuer=issuer,
        subject=Subject("Rehearsal", "Rehearsal", "0204819-8", "rehearsal.example.fi"),
        names=AlternativeNames(("rehearsal.example.fi",) if profile.dns_names else ()),
        usages=profile.usages,
        spki=spki_of(linter.throw_away[issuer.family].public_key()),
        serial=_REHEARSED_SERIAL,
        not_before=not_before,
        not_after=not_before + _REHEARSED_FOR,
        crl_url=crl_url,
        ca_issuers_url=ca_issuers_url,
        ocsp_url=ocsp_url,
    )
