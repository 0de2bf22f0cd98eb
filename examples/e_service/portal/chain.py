"""The CAs above a certificate, from the certificates that the authority publishes beside its CRLs (`*.cer`)."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate


def above(der: bytes, folder: Path) -> Iterator[bytes]:
    """Yield the issuer's certificate, then its issuer's, up to the root, as far as the folder has them."""
    known = [load_der_x509_certificate(path.read_bytes()) for path in folder.glob("*.cer")]
    certificate = load_der_x509_certificate(der)
    while certificate.issuer != certificate.subject:
        for issuer in known:
            with suppress(ValueError, TypeError, InvalidSignature):
                certificate.verify_directly_issued_by(issuer)
                break
        else:
            return
        certificate = issuer
        yield certificate.public_bytes(Encoding.DER)
