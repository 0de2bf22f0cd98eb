"""Writes down every signature that a service's process is about to make, before it makes it. Python runs this at its start.

One line each in the file SIGNATURE_LOG: SHA-256 of the key's SubjectPublicKeyInfo, SHA-256 of the bytes to be signed, the last of these bytes.
"""

import os
import sys
from hashlib import sha256
from typing import Any

TAIL = 40


def _watch(log: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from servicecert_pki.software_key import SoftwareKey
    from servicecert_pki.token_key import TokenKey

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def watched(sign: Any) -> Any:
        def written_down(self: Any, *parts: bytes) -> bytes:
            key = self.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            whole = b"".join(parts)
            line = f"{sha256(key).hexdigest()} {sha256(whole).hexdigest()} {whole[-TAIL:].hex()}\n"
            os.write(file, line.encode())
            signature: bytes = sign(self, *parts)
            return signature

        return written_down

    # The test stands in the signer's way on purpose.
    for kind in (SoftwareKey, TokenKey):
        kind.sign = watched(kind.sign)  # type: ignore[method-assign]


if (_log := os.environ.get("SIGNATURE_LOG")) and {"issuer", "revoker"} & set(sys.orig_argv):
    _watch(_log)
