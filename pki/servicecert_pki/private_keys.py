"""Detection of private keys in what applicants send, so that none is stored: by armour, or by the start of the DER.

Detected are PEM of any kind (also truncated), OpenSSH, PGP and PuTTY files, JSON Web Keys, and PKCS#1, PKCS#8, SEC 1
and PKCS#12 in DER or base64; each also as UTF-16, and encoded in base64 once more.
"""

import base64
import binascii
import codecs
import json
import re

PLACEHOLDER = "-----BEGIN PRIVATE KEY-----(removed)-----END PRIVATE KEY-----"
"""Replaces a removed private key. It is detected as one too, so that the text is refused for the same reason."""

_ARMOUR = re.compile(r"(?:BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key-File-")
_JWK_SECRET = re.compile(r'"d"\s*:')

# The SEQUENCE of a private key begins with a small version number, or if encrypted with an OID of PKCS#5 or PKCS#12.
_DER = re.compile(
    rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...)"
    rb"(?:\x02\x01[\x00\x01\x03]|\x30(?:[\x00-\x7f]|\x81.|\x82..)\x06[\x08-\x0b]\x2a\x86\x48\x86\xf7\x0d\x01[\x05\x0c])",
    re.DOTALL,
)
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)', re.DOTALL)
_SHORTEST = 40
_NESTED = 2
_HEAD = 64


def holds_private_key(source: str | bytes) -> bool:
    return _holds(source, _NESTED)


def without_private_keys(value: bytes) -> bytes:
    """Return a JSON document, whole or truncated, with a placeholder for each string that holds a private key.

    Other bytes that hold one are replaced by the placeholder altogether.
    """
    redacted = _STRING.sub(_redacted, value)
    if holds_private_key(redacted.replace(json.dumps(PLACEHOLDER).encode(), b"")):
        return PLACEHOLDER.encode()
    return redacted


def as_text(octets: bytes) -> str:
    """Return the ASCII of a text in UTF-8, in an 8-bit encoding, or in UTF-16 with or without byte order mark."""
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return octets.decode("utf-16", "replace")
    return octets.removeprefix(codecs.BOM_UTF8).decode("ascii", "replace").replace("\0", "")


def _holds(source: str | bytes, depth: int) -> bool:
    if isinstance(source, bytes) and _DER.match(source):
        return True
    text = source.replace("\0", "") if isinstance(source, str) else as_text(source)
    return bool(_ARMOUR.search(text)) or _is_jwk(text) or _encodes(text, depth)


def _is_jwk(text: str) -> bool:
    """Return whether the text has a JSON Web Key with its secret part (RFC 7518, 6.2.2 and 6.3.2)."""
    return '"kty"' in text and _JWK_SECRET.search(text) is not None


def _encodes(text: str, depth: int) -> bool:
    """Return whether the text is base64 of a private key, or of a text that holds one."""
    compact = "".join(text.split())
    whole = compact[: len(compact) // 4 * 4]
    try:
        head = base64.b64decode(whole[:_HEAD], validate=True)
        if _DER.match(head):
            return True
        return depth > 0 and bool(head) and _holds(base64.b64decode(whole, validate=True), depth - 1)
    except (binascii.Error, ValueError):
        return False


def _redacted(match: re.Match[bytes]) -> bytes:
    content = match[1]
    if len(content) < _SHORTEST:
        return match[0]
    try:
        text = json.loads(b'"' + content + b'"', strict=False)
    except ValueError:
        text = content.replace(b"\\n", b"\n").replace(b"\\r", b"").replace(b"\\/", b"/")
    closing = b'"' if match[0].endswith(b'"') else b""
    return b'"' + PLACEHOLDER.encode() + closing if holds_private_key(text) else match[0]
