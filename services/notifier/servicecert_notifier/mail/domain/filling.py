"""The values of the templates: a task's content in one language. No text from outside is used unchanged. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from servicecert_schemas.characters import one_line
from servicecert_schemas.open_list import value_of

from ...domain.task import (
    AddressRefusedContent,
    Content,
    ExpiringContent,
    InvitedContent,
    IssuedContent,
    LapsedContent,
    NearsLapseContent,
    RefusedContent,
    ReturnedContent,
    RevokedContent,
)
from .wording import Wording

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_DOTS = re.compile(r"\.{2,}")
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)")
_RDN = re.compile(r"(?:\\.|[^,+\\])+", re.DOTALL)
_NEXT_RDN = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)

TemplateValues = dict[str, object]


def template_values(content: Content, wording: Wording, date: datetime) -> TemplateValues:
    match content:
        case IssuedContent():
            return _certificate(content) | _typed(content, wording) | _issued(content, wording, date)
        case RevokedContent():
            return _certificate(content) | _revoked(content, wording)
        case ExpiringContent():
            return _certificate(content) | _typed(content, wording) | _expiring(content, wording)
        case InvitedContent():
            return _typed(content, wording) | {
                "name": one_line(content.applied_for),
                "unit": one_line(content.unit),
                "dns": ", ".join(_lines(content.dns)),
                "lapses": wording.day_of(content.lapses) if content.lapses else None,
            }
        case ReturnedContent():
            return _applied(content, wording) | {
                "deficiencies": _lines(content.deficiencies),
                "lapses": wording.day_of(content.lapses) if content.lapses else None,
            }
        case NearsLapseContent():
            return _applied(content, wording) | {
                "waits_for_csr": content.waits_for_csr,
                "lacking": _lines(content.lacking),
                "since": wording.day_of(content.since),
                "lapses": wording.day_of(content.lapses),
            }
        case LapsedContent():
            return _applied(content, wording) | {"since": wording.day_of(content.since)}
        case RefusedContent():
            return _applied(content, wording) | {"reasons": _lines(content.reasons)}
        case AddressRefusedContent():
            return {
                "refused": wording.recipients[content.refused],
                "told": wording.kinds[content.told],
                "name": common_name(content.subject) if content.subject else None,
                "serial": content.serial,
            }
        case _:  # pragma: no cover
            assert_never(content)


def _lines(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(one_line, texts))


def _applied(
    content: ReturnedContent | NearsLapseContent | LapsedContent | RefusedContent, wording: Wording
) -> TemplateValues:
    return {
        "type": wording.types[content.type],
        "name": one_line(content.applied_for),
        "reference": one_line(content.customer_reference or ""),
    }


def _certificate(content: IssuedContent | RevokedContent | ExpiringContent) -> TemplateValues:
    name = common_name(content.subject)
    return {
        "name": name,
        "file": file_stem(name, content.serial),
        "subject": shown_subject(content.subject),
        "serial": content.serial,
        "serial_decimal": content.serial_decimal,
    }


def _typed(content: IssuedContent | ExpiringContent | InvitedContent, wording: Wording) -> TemplateValues:
    return {
        "type": wording.types[content.type],
        "is_server": content.type.is_server,
        "is_test": content.type.is_test,
    }


def _issued(content: IssuedContent, wording: Wording, date: datetime) -> TemplateValues:
    return {
        "starts_later": content.not_before > date,
        "not_before": wording.moment_of(content.not_before),
        "not_after": wording.moment_of(content.not_after),
        "fingerprint": fingerprint_of(content.fingerprint),
    }


def _expiring(content: ExpiringContent, wording: Wording) -> TemplateValues:
    return {
        "not_after": wording.moment_of(content.not_after),
        "end_day": wording.day_of(content.not_after),
        "days_left": content.days_left,
    }


def _revoked(content: RevokedContent, wording: Wording) -> TemplateValues:
    return {
        "reason": value_of(wording.reasons, content.reason, content.reason),
        "key_exposed": content.reason == "key-exposed",
        "requested_at": wording.moment_of(content.requested_at),
        "revoked_at": wording.moment_of(content.revoked_at),
        "invalid_since": wording.moment_of(content.invalid_since) if content.invalid_since else None,
        "crl_number": str(content.crl_number),
        "crl_url": content.crl_url,
    }


def common_name(subject: str) -> str:
    """Return the common name in a distinguished name as text (RFC 4514), the whole text if it has none."""
    for part in _RDN.finditer(subject):
        kind, _, value = part[0].strip().partition("=")
        if kind.upper() == "CN":
            return one_line(_ESCAPED.sub(_unescaped, value) if "\\" in value else value)
    return one_line(subject)


def shown_subject(subject: str) -> str:
    return _NEXT_RDN.sub(", ", one_line(subject)).replace("2.5.4.5=", "serialNumber=")


def file_stem(name: str, serial: str) -> str:
    """Return the name of a certificate's files without extension: the CN's beginning and the serial number's.

    It has letters, digits, dots and hyphens, and at most 35 characters: lines of a web server's configuration that
    name a file fit into a mail's. Windows recognises device names by the part before the first dot, so `con` or `aux`
    gets the prefix `x-`.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = _DOTS.sub(".", _UNSAFE.sub("-", ascii_name)).strip(".-") or "certificate"
    return f"{f'x-{stem}' if _DEVICE.match(stem) else stem:.26}".rstrip(".-") + f"_{serial:.8}"


def fingerprint_of(hexadecimal: str) -> str:
    """Return a SHA-256 as OpenSSL prints it: upper-case octets with colons."""
    return bytes.fromhex(hexadecimal).hex(":").upper()


def _unescaped(match: re.Match[str]) -> str:
    octets, character = match.groups()
    return bytes.fromhex(octets.replace("\\", "")).decode("utf-8", "replace") if octets else character
