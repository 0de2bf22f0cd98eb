"""An encoder of OCSP responses (RFC 6960, 4.2), signed by a delegated key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from hashlib import sha1

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from . import der
from .crl import Reason
from .spki import key_bits, spki_of

_BASIC = der.oid("1.3.6.1.5.5.7.48.1.1")
_NONCE = "1.3.6.1.5.5.7.48.1.2"
_ENUMERATED = 0x0A
# ecdsa-with-SHA256 (RFC 5758, 3.2): P-256 signs several times as fast as the CAs' keys; a key is used for days.
_ECDSA = ec.ECDSA(hashes.SHA256())
_ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")

GOOD = b"\x80\x00"
UNKNOWN = b"\x82\x00"
"""CertStatus (RFC 6960, 4.2.1)."""


class Fault(IntEnum):
    """OCSPResponseStatus of an error response, which is not signed."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    UNAUTHORIZED = 6


def fault_response(fault: Fault) -> bytes:
    return der.sequence(der.tlv(_ENUMERATED, bytes((fault,))))


def revoked(at: datetime, reason: Reason | None) -> bytes:
    """Return the CertStatus of a certificate that is revoked since `at` (aware)."""
    encoded = () if reason is None else (der.tlv(0xA0, der.tlv(_ENUMERATED, bytes((reason,)))),)
    return der.tlv(0xA1, der.generalized_time(at), *encoded)


def single_response(
    cert_id: bytes,
    status: bytes,
    this_update: datetime,
    next_update: datetime,
    invalidity_date: datetime | None = None,
) -> bytes:
    """Return the SingleResponse for one certificate. `cert_id` is the request's DER."""
    extensions: tuple[bytes, ...] = ()
    if invalidity_date is not None:
        invalid = der.extension("2.5.29.24", der.generalized_time(invalidity_date))
        extensions = (der.tlv(0xA1, der.sequence(invalid)),)
    until = der.tlv(0xA0, der.generalized_time(next_update))
    return der.sequence(cert_id, status, der.generalized_time(this_update), until, *extensions)


@dataclass(frozen=True, eq=False, repr=False)
class ResponderKey:
    """A P-256 key that never leaves this process."""

    private: ec.EllipticCurvePrivateKey
    spki: bytes = field(init=False)
    responder_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        spki = spki_of(self.private.public_key())
        name = sha1(key_bits(spki), usedforsecurity=False).digest()
        object.__setattr__(self, "spki", spki)
        object.__setattr__(self, "responder_id", der.tlv(0xA2, der.octet_string(name)))

    @classmethod
    def draw(cls) -> "ResponderKey":
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def request(self) -> bytes:
        """Return the DER PKCS#10 request that proves possession of the key."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "OCSP responder")])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        return builder.sign(self.private, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True, eq=False, repr=False)
class Signer:
    """A key with the certificate by which one CA delegates OCSP to it, until `not_after`."""

    key: ResponderKey
    certificate_der: bytes
    not_after: datetime

    def response(self, responses: Iterable[bytes], produced_at: datetime, nonce: bytes | None = None) -> bytes:
        """Return the signed DER OCSPResponse. `nonce` is the request's, in DER."""
        extensions: Sequence[bytes] = ()
        if nonce is not None:
            extensions = (der.tlv(0xA1, der.sequence(der.extension(_NONCE, nonce))),)
        tbs = der.sequence(
            self.key.responder_id, der.generalized_time(produced_at), der.sequence(*responses), *extensions
        )
        signature = self.key.private.sign(tbs, _ECDSA)
        basic = der.sequence(
            tbs, _ALGORITHM, der.bit_string(signature), der.tlv(0xA0, der.sequence(self.certificate_der))
        )
        whole = der.tlv(0xA0, der.sequence(_BASIC, der.octet_string(basic)))
        return der.sequence(der.tlv(_ENUMERATED, b"\0"), whole)
