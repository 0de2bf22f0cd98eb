"""The forms in which applicants send a certificate request, converted to DER (A4)."""

import base64
import binascii
from collections.abc import Iterator

from . import der
from .csr_faults import CERTIFICATE, CUT, EMPTY, LARGEST_CSR, PRIVATE_KEY, SEVERAL, TOO_LARGE, UNREADABLE, Stop
from .private_keys import as_text, holds_private_key

_BEGIN = "-----BEGIN "
_REQUEST_LABELS = frozenset({"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"})


def unwrapped(source: str | bytes) -> bytes:
    """Return the unparsed DER of a request sent as PEM with any text around it, as base64 of DER or PEM, or as DER.

    Raises `Stop`. A source over 16 KiB is not decoded, only searched for a private key.
    """
    octets = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if holds_private_key(octets):
        raise Stop(PRIVATE_KEY)
    if len(octets) > LARGEST_CSR:
        raise Stop(TOO_LARGE)
    if not octets.strip(b"\0\t\n\v\f\r \xef\xbb\xbf\xff\xfe"):
        raise Stop(EMPTY)
    return _from_octets(octets)


def ends_early(encoded: bytes) -> bool:
    """Return whether DER announces more octets than there are."""
    if len(encoded) < 4 or encoded[0] != der.SEQUENCE or not 0x80 < encoded[1] < 0x85:
        return False
    content = 2 + (encoded[1] & 0x7F)
    return content + int.from_bytes(encoded[2:content], "big") > len(encoded)


def _from_octets(octets: bytes) -> bytes:
    # Base64 and text are ASCII, so only DER can begin with a SEQUENCE of long length.
    if len(octets) > 1 and octets[0] == der.SEQUENCE and octets[1] >= 0x80:
        return octets
    text = as_text(octets)
    if _BEGIN in text:
        return _from_base64(_only_request(text))
    decoded = _from_base64(text)
    # A portal may put a whole PEM file into base64.
    inner = as_text(decoded)
    return _from_base64(_only_request(inner)) if _BEGIN in inner else decoded


def _only_request(text: str) -> str:
    labels = [label for label, _ in _pem_blocks(text)]
    requests = [body for label, body in _pem_blocks(text) if label in _REQUEST_LABELS]
    if len(requests) > 1:
        raise Stop(SEVERAL)
    if not requests:
        raise Stop(CERTIFICATE if any(label.endswith("CERTIFICATE") for label in labels) else UNREADABLE)
    (body,) = requests
    if body is None:
        raise Stop(CUT)
    return body


def _pem_blocks(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield label and body of each PEM block (None if it is not closed), in time linear in the text."""
    for piece in text.split(_BEGIN)[1:]:
        label, _, rest = piece.partition("-----")
        body, closing, _ = rest.partition(f"-----END {label}-----")
        yield label, body if closing else None


def _from_base64(text: str) -> bytes:
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        raise Stop(CUT if _is_cut(compact) else UNREADABLE) from None


def _is_cut(compact: str) -> bool:
    try:
        return ends_early(base64.b64decode(compact[: len(compact) // 4 * 4], validate=True))
    except (binascii.Error, ValueError):
        return False
