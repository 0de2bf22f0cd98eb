"""Certificates by which a CA delegates OCSP to a responder (RFC 6960, 4.2.2.2): short-lived, and for OCSP only."""

from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from . import der
from .certificate import tbs_of
from .issuer import IssuerInfo
from .lint import lint_certificate
from .read_back import unsigned
from .spki import key_identifier, spki_of

_DIGITAL_SIGNATURE = der.named_bits(0)
_OCSP_SIGNING = der.sequence(der.oid("1.3.6.1.5.5.7.3.9"))
# id-pkix-ocsp-nocheck: relying parties do not check its revocation, so the certificate is valid for days only.
_NO_CHECK = der.extension("1.3.6.1.5.5.7.48.1.5", b"\x05\x00")

LIFE = timedelta(days=4)
"""How long a responder's certificate is valid. It cannot be revoked, so its key is renewed at half of this time."""

BACKDATING = timedelta(minutes=10)
"""For relying parties whose clocks are behind."""

LONGEST_LIFE = LIFE + BACKDATING


class ResponderRefused(ValueError):
    """The message is one sentence that says what is wrong and quotes nothing."""


def requested_key(request: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a DER PKCS#10 request with proof of a P-256 key. Raises ResponderRefused."""
    try:
        read = x509.load_der_x509_csr(request)
        key = read.public_key()
        proven = read.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise ResponderRefused("The responder's request is no PKCS#10 request that can be read.") from None
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise ResponderRefused("A responder's key is one of P-256.")
    if not proven:
        raise ResponderRefused("The responder's request does not prove possession of its key.")
    return spki_of(key)


def build_responder_tbs(
    issuer: IssuerInfo, spki: bytes, serial: int, not_before: datetime, not_after: datetime
) -> bytes:
    """Return the DER TBSCertificate for a responder's key, within the CA's validity. Raises ResponderRefused."""
    not_before, not_after = max(not_before, issuer.not_before), min(not_after, issuer.not_after)
    if not not_before < not_after:
        raise ResponderRefused(f"The certificate of {issuer.id} is not valid any more.")
    common_name = der.tlv(der.UTF8_STRING, f"OCSP responder {sha256(spki).hexdigest()[:16]}".encode())
    return tbs_of(
        issuer,
        serial,
        (not_before, not_after),
        der.sequence(der.tlv(der.SET, der.sequence(der.oid("2.5.4.3"), common_name))),
        spki,
        der.extension("2.5.29.35", issuer.authority_key_identifier),
        der.extension("2.5.29.14", der.octet_string(key_identifier(spki))),
        der.extension("2.5.29.15", _DIGITAL_SIGNATURE, critical=True),
        der.extension("2.5.29.37", _OCSP_SIGNING),
        _NO_CHECK,
        der.extension("2.5.29.19", der.sequence(), critical=True),
    )


def lint_responder(tbs: bytes, issuer: IssuerInfo) -> None:
    """Raise ResponderRefused if pkilint has a finding about the certificate, with an empty signature (B3)."""
    if findings := lint_certificate(unsigned(tbs, issuer)):
        raise ResponderRefused(f"The responder's certificate would have the finding {findings[0].code}.")
