"""ECDSA signatures on P-384, verified by AWS-LC, which takes a third of OpenSSL's time for it.

The CA's keys sign by OpenSSL or in a token, so another implementation than the one that signed finds its errors (B4).
Only public keys come here. What AWS-LC does not accept, OpenSSL judges: nothing is refused that was accepted without
AWS-LC.
"""

import logging
from hashlib import new

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from .spki import spki_of

log = logging.getLogger(__name__)

EcHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


def verify_digest(key: ec.EllipticCurvePublicKey, signature: bytes, algorithm: EcHash, digest: bytes) -> None:
    """Raise `cryptography`'s InvalidSignature unless `signature` (DER, RFC 3279 section 2.2.3) is of this digest."""
    is_p384 = isinstance(key.curve, ec.SECP384R1)
    if is_p384 and _accepts(key, signature, digest):
        return
    key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))
    if is_p384:
        log.error("alarm: AWS-LC refuses a signature that OpenSSL accepts; it counts as valid")


def is_signed(key: ec.EllipticCurvePublicKey, signature: bytes, algorithm: EcHash, content: bytes) -> bool:
    """Return whether `signature` is the key's for the content."""
    try:
        verify_digest(key, signature, algorithm, new(algorithm.name, content).digest())
    except InvalidSignature:
        return False
    return True


def _accepts(key: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes) -> bool:
    # Here, because it takes 70 ms, and most commands verify nothing.
    from awscrt.crypto import EC

    try:
        return bool(EC.new_key_from_der_data(spki_of(key)).verify(digest, signature))
    except (RuntimeError, ValueError):
        return False
