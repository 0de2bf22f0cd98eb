"""Logs every signature of a service's process before it is made. Python runs this module at its start.

One line each in the file SIGNATURE_LOG: SHA-256 of the key's SubjectPublicKeyInfo, SHA-256 of the bytes to be signed,
and the last of these bytes.
"""

import os
import sys
from hashlib import sha256
from typing import Any

TAIL = 40


def _install(log: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from servicecert_pki.software_key import SoftwareKey
    from servicecert_pki.token_key import TokenKey

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def logged(sign: Any) -> Any:
        def log_and_sign(self: Any, *parts: bytes) -> bytes:
            key = self.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            whole = b"".join(parts)
            line = f"{sha256(key).hexdigest()} {sha256(whole).hexdigest()} {whole[-TAIL:].hex()}\n"
            os.write(file, line.encode())
            signature: bytes = sign(self, *parts)
            return signature

        return log_and_sign

    for kind in (SoftwareKey, TokenKey):
        kind.sign = logged(kind.sign)  # type: ignore[method-assign]


if (_log := os.environ.get("SIGNATURE_LOG")) and {"issuer", "revoker"} & set(sys.orig_argv):
    _install(_log)
