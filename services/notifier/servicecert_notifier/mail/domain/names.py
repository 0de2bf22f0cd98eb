"""What a certificate and its files are called. Nothing that came in is used as it is. Pure."""

import re
import unicodedata

from .message import one_line

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_DOTS = re.compile(r"\.{2,}")
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)")
_RDN = re.compile(r"(?:\\.|[^,+\\])+", re.DOTALL)
_NEXT_RDN = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def common_name(subject: str) -> str:
    """The common name in a distinguished name as text (RFC 4514), the whole text where it has none."""
    for part in _RDN.finditer(subject):
        kind, _, value = part[0].strip().partition("=")
        if kind.upper() == "CN":
            return one_line(_ESCAPED.sub(_unescaped, value) if "\\" in value else value)
    return one_line(subject)


def shown_subject(subject: str) -> str:
    """A distinguished name (RFC 4514) as a person reads it."""
    return _NEXT_RDN.sub(", ", one_line(subject)).replace("2.5.4.5=", "serialNumber=")


def file_stem(name: str, serial: str) -> str:
    """The name of a certificate's files without its ending, `<CN>_<serial>`: letters, digits, dots, hyphens, safe on every system.

    Windows takes a name for a device's by what stands before its first dot, so a host that is called `con` or `aux` is written with a letter before.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = _DOTS.sub(".", _UNSAFE.sub("-", ascii_name)).strip(".-")[:64] or "certificate"
    return f"{'x-' if _DEVICE.match(stem) else ''}{stem}_{serial}"


def fingerprint_of(hexadecimal: str) -> str:
    """A SHA-256 as OpenSSL prints it: octets in capitals between colons."""
    return bytes.fromhex(hexadecimal).hex(":").upper()


def _unescaped(match: re.Match[str]) -> str:
    octets, character = match.groups()
    return bytes.fromhex(octets.replace("\\", "")).decode("utf-8", "replace") if octets else character
