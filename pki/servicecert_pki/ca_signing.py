"""The only door to a CA's key (F3): each check rebuilds the exact bytes in the act that signs.

`check_service_certificate` and `check_responder` give a `Checked` certificate, `CrlFile.read_back` a `ReadBack` list;
nothing else is signed with a CA's key by issuer or revoker. A test finds every other call of `SigningKey.sign`.

SigningRefused          no profile allows these bytes, or the books intend others: they are never signed
└── SettingsDiffer      they were intended under other settings than this process has: they wait
CertificateUnsound      the key made a signature that does not verify (B4)
CrlUnsound              the same for a list
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from .certificate import Contents, build_tbs, sign_tbs, verify_certificate
from .crl import CrlUnsound, ReadBack
from .crl_reading import is_signed, load
from .issuer import IssuerInfo
from .keys import KeyUnavailable, SigningKey
from .names import CertificateRefused
from .read_back import read_contents, read_unsigned
from .responder_certificate import LONGEST_LIFE, ResponderRefused, build_responder_tbs, lint_responder
from .spki import spki_in, spki_sha256

T = TypeVar("T")


class SigningRefused(Exception):
    """A stable `code`, and one sentence that quotes nothing of the bytes."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class SettingsDiffer(SigningRefused):
    """Another version of the profile, or other addresses: a worker with those settings can sign it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate that may be signed with this CA's key. Only the checks of this module make one."""

    issuer: IssuerInfo
    tbs: bytes


def check_service_certificate(
    tbs: bytes, contents: Contents, lint: Callable[[Contents, bytes], Sequence[str]]
) -> Checked:
    """Return the certificate if it is the one that the profile builds of these contents, and without findings.

    `tbs` is DER. Raises SigningRefused, SettingsDiffer, or CertificateRefused where the contents break the profile.
    """
    if build_tbs(contents) != tbs:
        raise _difference(tbs, contents)
    if findings := lint(contents, tbs):
        raise SigningRefused("lint", f"The linter finds {', '.join(findings)}.")
    return Checked(contents.issuer, tbs)


def _difference(tbs: bytes, contents: Contents) -> SigningRefused:
    read, profile = read_contents(tbs, contents.issuer, contents.profile), contents.profile
    try:
        is_of_profile = read is not None and build_tbs(read) == tbs
    except CertificateRefused:
        is_of_profile = False
    if read is None or not is_of_profile:
        return SigningRefused("profile", f"The bytes are no certificate of the profile {profile.type_id}.")
    if _addresses(read) != _addresses(contents):
        return SettingsDiffer("addresses", "The bytes name other addresses than this worker's settings.")
    return SigningRefused("books", "The bytes have another subject, key, serial number or validity than follows.")


def _addresses(contents: Contents) -> tuple[str | None, ...]:
    return contents.crl_url, contents.ca_issuers_url, contents.ocsp_url, contents.profile.cps


def check_responder(
    tbs: bytes, serial: int, key_sha256: str, not_after: datetime, issuer: IssuerInfo, now: datetime
) -> Checked:
    """Return the OCSP responder's certificate if it is the ordered one, as it is always built, and without findings.

    `tbs` is DER, `now` aware. Its life is at most LONGEST_LIFE, because it cannot be revoked. Raises SigningRefused.
    """
    read = read_unsigned(tbs, issuer)
    spki = spki_in(read) if read is not None else None
    if read is None or spki is None:
        raise SigningRefused("profile", "The bytes are no certificate of an OCSP responder.")
    not_before, ends = read.not_valid_before_utc, read.not_valid_after_utc
    try:
        rebuilt = build_responder_tbs(issuer, spki, read.serial_number, not_before, ends)
    except ResponderRefused:
        rebuilt = b""
    if rebuilt != tbs:
        raise SigningRefused("profile", "The bytes are no certificate of an OCSP responder.")
    if ends - not_before > LONGEST_LIFE or ends > now + LONGEST_LIFE:
        raise SigningRefused("life", "The certificate of an OCSP responder would be valid for longer than 4 days.")
    if (read.serial_number, spki_sha256(spki), ends) != (serial, key_sha256, not_after.replace(microsecond=0)):
        raise SigningRefused("books", "The bytes have another serial number, validity or key than was ordered.")
    try:
        lint_responder(tbs, issuer)
    except ResponderRefused as refused:
        raise SigningRefused("lint", str(refused)) from None
    return Checked(issuer, tbs)


def sign_certificate(checked: Checked, key: SigningKey) -> bytes:
    """Return the DER certificate, its signature verified. Raises KeyUnavailable, or CertificateUnsound (B4)."""
    _check_key(checked.issuer, key)
    certificate = sign_tbs(checked.tbs, key)
    verify_certificate(certificate, checked.tbs, checked.issuer.public_key)
    return certificate


def sign_crl(crl: ReadBack[T], key: SigningKey) -> bytes:
    """Sign a list that was read back, in its file, and return it, its signature verified.

    Raises KeyUnavailable, OSError, or CrlUnsound (D7).
    """
    issuer = crl.head.issuer
    _check_key(issuer, key)
    crl.sign(key)
    content = crl.path.read_bytes()
    if not is_signed(content, load(content), issuer):
        raise CrlUnsound(f"It is not signed by {issuer.id}.")
    return content


def _check_key(issuer: IssuerInfo, key: SigningKey) -> None:
    if key.public_key() != issuer.public_key:
        raise KeyUnavailable(f"The key at hand is not that of {issuer.id}.")
