"""CRLs encoded in memory and checked by another library. The product encodes them in parts (`servicecert_pki.crl`)."""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from servicecert_pki import der
from servicecert_pki.crl import CrlHead, RevokedCertificate
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey


def build_crl(
    key: SigningKey,
    issuer: IssuerInfo,
    this_update: datetime,
    next_update: datetime,
    entries: bytes | Iterable[bytes],
    number: int,
    url: str | None = None,
) -> bytes:
    """Return a signed DER CRL of already encoded `entries`."""
    head = CrlHead(issuer, number, this_update, next_update, url)
    body = entries if isinstance(entries, bytes) else b"".join(entries)
    before, after = head.around(len(body))
    return der.sequence(before, body, after, head.algorithm, der.bit_string(key.sign(before, body, after)))


def check_crl(crl: bytes, issuer: IssuerInfo, number: int, expected: Iterable[RevokedCertificate]) -> None:
    """Assert that the list, read by another library, is signed, numbered and filled as expected (D7)."""
    read = x509.load_der_x509_crl(crl)
    assert read.is_signature_valid(issuer.public_key)
    assert read.issuer.public_bytes() == issuer.subject_der
    assert read.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number
    expected_values = [
        (it.serial, _second(it.revoked_at), int(it.reason), _second(it.invalidity_date)) for it in expected
    ]
    assert sorted(map(_values, read)) == sorted(expected_values)


def _values(entry: x509.RevokedCertificate) -> tuple[int, int, int, int]:
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value
    invalid = [it.value.invalidity_date_utc for it in entry.extensions if isinstance(it.value, x509.InvalidityDate)]
    code = int.from_bytes(reason.public_bytes()[2:])
    return entry.serial_number, _second(entry.revocation_date_utc), code, _second(*invalid or (None,))


def _second(moment: datetime | None) -> int:
    return -1 if moment is None else int(moment.timestamp())
