"""An OCSP client (RFC 6960) that checks a response as a relying party does."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from .crl import Reason, reason_code
from .issuer import IssuerInfo
from .keys import verify_signature

# How far the clocks of client and responder may differ.
_SKEW = timedelta(minutes=1)


class OcspUnsound(Exception):
    """The message is one sentence that says what is wrong with the response and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class OcspQuery:
    """A query about one certificate.

    With a nonce of 32 octets no old response is accepted (RFC 9654). Without one the response may have been signed
    before the query, so it must say until when it is valid; a revocation is final, so an old "revoked" is still true.
    """

    issuer: IssuerInfo
    serial: int
    nonce: bytes | None = None

    def request(self) -> bytes:
        """Return the DER OCSPRequest, with SHA-256 in its CertID."""
        name, key = self._hashes()
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, self.serial, hashes.SHA256())
        if self.nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(self.nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)

    def status(self, answer: bytes, now: datetime) -> ocsp.OCSPCertStatus:
        """Return what the response, valid `now` for this query and by a delegated responder, says. Raises OcspUnsound.

        GOOD, REVOKED or UNKNOWN.
        """
        return self._read(answer, now).certificate_status

    def is_revoked(self, answer: bytes, now: datetime, reason: Reason | None = None) -> bool:
        """Return whether the response says revoked, and for this `reason` where one is given. Raises OcspUnsound.

        A compromised key overrides any other reason, which is never said again then (D3).
        """
        read = self._read(answer, now)
        if read.certificate_status is not ocsp.OCSPCertStatus.REVOKED:
            return False
        found = read.revocation_reason
        says = None if found is None else reason_code(x509.CRLReason(found))
        return reason is None or says in (reason, Reason.KEY_COMPROMISE)

    def _read(self, answer: bytes, now: datetime) -> ocsp.OCSPResponse:
        try:
            read = ocsp.load_der_ocsp_response(answer)
            if read.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise OcspUnsound(f"The responder answers {read.response_status.name}.")
            _check_signature(read, self.issuer, now)
            self._check_matches(read, now)
            return read
        except ValueError:
            raise OcspUnsound("The answer is no OCSP response.") from None

    def _check_matches(self, read: ocsp.OCSPResponse, now: datetime) -> None:
        if (read.issuer_name_hash, read.issuer_key_hash) != self._hashes() or read.serial_number != self.serial:
            raise OcspUnsound("The answer is about another certificate.")
        if self.nonce is not None and _nonce(read) != self.nonce:
            raise OcspUnsound("The answer does not repeat the question's nonce.")
        until = read.next_update_utc
        if until is None and self.nonce is None:
            raise OcspUnsound("The answer does not say until when it is valid.")
        if read.this_update_utc > now + _SKEW or (until is not None and until < now - _SKEW):
            raise OcspUnsound("The answer is not of this time.")

    def _hashes(self) -> tuple[bytes, bytes]:
        return sha256(self.issuer.subject_der).digest(), sha256(self.issuer.key_bits).digest()


def _nonce(read: ocsp.OCSPResponse) -> bytes | None:
    try:
        return read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _check_signature(read: ocsp.OCSPResponse, issuer: IssuerInfo, now: datetime) -> None:
    """Raise OcspUnsound unless a responder that the CA delegated signed the response (RFC 6960, 4.2.2.2)."""
    for certificate in read.certificates:
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            read.signature_hash_algorithm, hashes.SHA256
        ):
            continue
        try:
            key.verify(read.signature, read.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        _check_delegated(certificate, issuer, now)
        return
    raise OcspUnsound("No certificate in the answer verifies its signature.")


def _check_delegated(certificate: x509.Certificate, issuer: IssuerInfo, now: datetime) -> None:
    try:
        verify_signature(issuer.public_key, certificate.signature, certificate.tbs_certificate_bytes)
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, x509.ExtensionNotFound):
        usages = x509.ExtendedKeyUsage([])
    if (
        certificate.issuer.public_bytes() != issuer.subject_der
        or x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING not in usages
        or not certificate.not_valid_before_utc <= now + _SKEW
        or certificate.not_valid_after_utc < now - _SKEW
    ):
        raise OcspUnsound(f"The answer's signer has no valid certificate of {issuer.id} for OCSP.")
