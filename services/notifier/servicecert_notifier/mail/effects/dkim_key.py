"""Signs mails with DKIM (RFC 6376, RFC 8463), so that receivers can verify the sender's domain and the content."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from servicecert_worker.core.secret_files import require_private

# Headers that mail programs show or obey, and our mails do not have.
_ABSENT = (b"sender", b"reply-to", b"cc", b"content-transfer-encoding")
_SMALLEST_RSA = 2048


@cache
def _signer() -> Any:
    """Return the library's signer, with the mail's time, not the clock's: a repeated mail has the same bytes (I9).

    It is loaded where there is a key: it brings a DNS library, 7 MB in all.
    """
    import dkim

    class Dated(dkim.DKIM):  # type: ignore[misc]  # the library has no types
        moment = b""

        def gen_header(self, fields: list[tuple[bytes, bytes]], *arguments: Any, **named: Any) -> bytes:
            dated = [(tag, self.moment if tag == b"t" else value) for tag, value in fields]
            header: bytes = super().gen_header(dated, *arguments, **named)
            return header

    return Dated


@dataclass(frozen=True, slots=True, repr=False)
class DkimKey:
    """The private key of a selector, in the library's form. Its representation does not show it (I10)."""

    selector: bytes
    domain: bytes
    algorithm: bytes
    key: bytes

    @staticmethod
    def read(path: Path, selector: str, domain: str) -> "DkimKey":
        """Return the RSA or Ed25519 key of a PEM file. Raise `ValueError`, which does not quote the file."""
        require_private(path)
        try:
            content = path.read_bytes()
        except OSError as fault:
            raise ValueError(
                f"The DKIM key file cannot be read ({type(fault).__name__}): correct its path and permissions"
            ) from None
        try:
            key = load_pem_private_key(content, password=None)
        except (ValueError, TypeError):
            raise ValueError(
                "The DKIM key file has no PEM private key without a passphrase: use one that has"
            ) from None
        if isinstance(key, Ed25519PrivateKey):
            raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            return DkimKey(selector.encode(), domain.encode(), b"ed25519-sha256", b64encode(raw))
        if isinstance(key, RSAPrivateKey) and key.key_size >= _SMALLEST_RSA:
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            return DkimKey(selector.encode(), domain.encode(), b"rsa-sha256", pem)
        raise ValueError(f"The DKIM key is neither RSA of at least {_SMALLEST_RSA} bits nor Ed25519: use one that is")

    def signed(self, message: bytes, date: datetime) -> bytes:
        """Return the message with its signature in front. The same message and date give the same bytes.

        Each header is signed once more than it occurs, so that nobody can add another (RFC 6376, 8.15).
        """
        signer = _signer()(message, signature_algorithm=self.algorithm)
        signer.moment = str(int(date.timestamp())).encode()
        names = [name for name, _ in signer.headers]
        header: bytes = signer.sign(
            self.selector,
            self.domain,
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[*names, *names, *_ABSENT],
        )
        return header + message
