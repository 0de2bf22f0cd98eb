"""What a responder reads and writes: a parser of OCSP requests (RFC 6960, 4.1), and an encoder of responses (4.2).

Anyone can send a request, so all sizes are limited and only DER is accepted. A delegated key signs responses.
"""

from collections.abc import Iterable, Iterator, Sequence
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

LARGEST_REQUEST = 8 * 1024
"""In octets; a request about one certificate has some 70 to 150."""

MOST_CERTIFICATES = 20
"""How many certificates a request may ask about."""

LONGEST_NONCE = 128
"""RFC 9654, 2.1."""

_NONCE_ID = "1.3.6.1.5.5.7.48.1.2"
_NONCE = der.oid(_NONCE_ID)
_KNOWN = frozenset(
    # The nonce; preferred signature algorithms and acceptable responses (RFC 6960, 4.4), which are ignored.
    (_NONCE, der.oid("1.3.6.1.5.5.7.48.1.8"), der.oid("1.3.6.1.5.5.7.48.1.4"))
)
_NULL = b"\x05\x00"
_OID = 0x06
_BOOLEAN = 0x01

_BASIC = der.oid("1.3.6.1.5.5.7.48.1.1")
_ENUMERATED = 0x0A
# ecdsa-with-SHA256 (RFC 5758, 3.2): P-256 signs several times as fast as the CAs' keys; a key is used for days.
_ECDSA = ec.ECDSA(hashes.SHA256())
_ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")

GOOD = b"\x80\x00"
UNKNOWN = b"\x82\x00"
"""CertStatus (RFC 6960, 4.2.1)."""


class RequestMalformed(ValueError):
    """The response is `malformedRequest`; the message says what is wrong and quotes nothing."""


@dataclass(frozen=True, slots=True)
class CertId:
    """The identifier of one certificate. `encoded` is its DER, `algorithm` the DER OBJECT IDENTIFIER of its hash.

    One certificate has few such identifiers, so a cache by `encoded` stays small.
    """

    encoded: bytes
    algorithm: bytes
    name_hash: bytes
    key_hash: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class OcspRequest:
    """A parsed request. `nonce` is the unchanged value of its extension, for the response; None without one."""

    certificates: tuple[CertId, ...]
    nonce: bytes | None


def read_request(encoded: bytes) -> OcspRequest:
    """Parse a DER OCSPRequest. Raises RequestMalformed. A signature is ignored: everyone gets the same response."""
    if len(encoded) > LARGEST_REQUEST:
        raise RequestMalformed("the request is too large")
    try:
        outer = _whole(encoded)
        parts = list(der.members(encoded, outer))
        if not parts or len(parts) > 2 or (len(parts) == 2 and parts[1].tag != 0xA0):
            raise RequestMalformed("the request is no OCSPRequest")
        return _to_be_signed(encoded, parts[0])
    except RequestMalformed:
        raise
    except ValueError as fault:
        raise RequestMalformed(str(fault)) from None


def _to_be_signed(encoded: bytes, request: der.Element) -> OcspRequest:
    _expect(request, der.SEQUENCE)
    parts = list(der.members(encoded, request))
    if parts and parts[0].tag == 0xA0:
        if encoded[parts[0].content : parts[0].end] != b"\x02\x01\x00":
            raise RequestMalformed("the version is unknown")
        del parts[0]
    if parts and parts[0].tag == 0xA1:
        del parts[0]
    if not parts or len(parts) > 2:
        raise RequestMalformed("the request asks about nothing")
    _expect(parts[0], der.SEQUENCE)
    certificates = tuple(_certificates(encoded, parts[0]))
    if not certificates:
        raise RequestMalformed("the request asks about nothing")
    return OcspRequest(certificates, _nonce(encoded, parts[1]) if len(parts) == 2 else None)


def _certificates(encoded: bytes, requests: der.Element) -> Iterator[CertId]:
    for number, request in enumerate(der.members(encoded, requests)):
        if number == MOST_CERTIFICATES:
            raise RequestMalformed(f"the request asks about more than {MOST_CERTIFICATES} certificates")
        _expect(request, der.SEQUENCE)
        cert_id, *extensions = der.members(encoded, request)
        if extensions:
            _extensions(encoded, extensions[0], 0xA0)
        if len(extensions) > 1:
            raise RequestMalformed("something follows a request's extensions")
        yield _cert_id(encoded, cert_id)


def _cert_id(encoded: bytes, cert_id: der.Element) -> CertId:
    _expect(cert_id, der.SEQUENCE)
    algorithm, name, key, serial = der.members(encoded, cert_id)
    _expect(algorithm, der.SEQUENCE)
    digest, *parameters = der.members(encoded, algorithm)
    # There are two ways to write that a hash has no parameters, and clients use both (RFC 5754, 2).
    if parameters and encoded[digest.end : algorithm.end] != _NULL:
        raise RequestMalformed("a hash has parameters")
    for member, tag in ((digest, _OID), (name, der.OCTET_STRING), (key, der.OCTET_STRING), (serial, der.INTEGER)):
        _expect(member, tag)
    if not 0 < serial.end - serial.content <= 32:
        raise RequestMalformed("a serial number has from 1 to 32 octets")
    number = int.from_bytes(encoded[serial.content : serial.end], "big", signed=True)
    if serial.end - serial.content != (number + (number < 0)).bit_length() // 8 + 1:
        raise RequestMalformed("a serial number is not written in the shortest form")
    return CertId(
        encoded=encoded[cert_id.start : cert_id.end],
        algorithm=encoded[digest.start : digest.end],
        name_hash=encoded[name.content : name.end],
        key_hash=encoded[key.content : key.end],
        serial=number,
    )


def _nonce(encoded: bytes, wrapped: der.Element) -> bytes | None:
    """Return the nonce among the request's extensions, with its length checked (RFC 9654, 2.1); None without one."""
    value = _extensions(encoded, wrapped, 0xA2)
    if value is None:
        return None
    inner = _whole(value)
    _expect(inner, der.OCTET_STRING)
    if not 0 < inner.end - inner.content <= LONGEST_NONCE:
        raise RequestMalformed(f"a nonce has from 1 to {LONGEST_NONCE} octets")
    return value


def _extensions(encoded: bytes, wrapped: der.Element, tag: int) -> bytes | None:
    """Return the value of the nonce extension, if any. An unknown critical extension is an error (RFC 5280, 4.2)."""
    _expect(wrapped, tag)
    (listed,) = der.members(encoded, wrapped)
    _expect(listed, der.SEQUENCE)
    nonce = None
    for extension in der.members(encoded, listed):
        _expect(extension, der.SEQUENCE)
        name, *rest = der.members(encoded, extension)
        _expect(name, _OID)
        critical = bool(rest) and rest[0].tag == _BOOLEAN and encoded[rest[0].content : rest[0].end] != b"\0"
        value = rest[-1] if rest else name
        _expect(value, der.OCTET_STRING)
        which = encoded[name.start : name.end]
        if critical and which not in _KNOWN:
            raise RequestMalformed("a critical extension is unknown")
        if which == _NONCE:
            if nonce is not None:
                raise RequestMalformed("the nonce is there twice")
            nonce = encoded[value.content : value.end]
    return nonce


def _whole(encoded: bytes) -> der.Element:
    element = der.read(encoded)
    if element.end != len(encoded):
        raise RequestMalformed("bytes follow the value")
    if element.tag == der.SEQUENCE:
        return element
    _expect(element, der.OCTET_STRING)
    return element


def _expect(element: der.Element, tag: int) -> None:
    if element.tag != tag:
        raise RequestMalformed(f"a value has the tag {element.tag:#04x} where {tag:#04x} belongs")


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
    cert_id: bytes, status: bytes, this_update: datetime, next_update: datetime, invalidity_date: datetime | None = None
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
            extensions = (der.tlv(0xA1, der.sequence(der.extension(_NONCE_ID, nonce))),)
        tbs = der.sequence(
            self.key.responder_id, der.generalized_time(produced_at), der.sequence(*responses), *extensions
        )
        signature = self.key.private.sign(tbs, _ECDSA)
        basic = der.sequence(
            tbs, _ALGORITHM, der.bit_string(signature), der.tlv(0xA0, der.sequence(self.certificate_der))
        )
        whole = der.tlv(0xA0, der.sequence(_BASIC, der.octet_string(basic)))
        return der.sequence(der.tlv(_ENUMERATED, b"\0"), whole)
