"""The values of the templates: a task's content in the words of one language. No text from outside is used unchanged.

Words are in `texts/<language>/words.toml`, those of the revocation reasons in the schemas. Pure.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.resources import files

from servicecert_pki.validity import HELSINKI
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.characters import one_line
from servicecert_schemas.mail import MailKind
from servicecert_schemas.revocation import REASONS
from servicecert_schemas.values import CertificateType, Language

from ...domain import task

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_DOTS = re.compile(r"\.{2,}")
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)")
_RDN = re.compile(r"(?:\\.|[^,+\\])+", re.DOTALL)
_NEXT_RDN = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)

_NAMED = {"types": CertificateType, "recipients": RecipientRole, "told": MailKind}
"""The members that each table of `words.toml` names."""
_DAYS = ("since", "lapses")
"""The fields of which people read the day only."""
_FILES = {"certificate", "chain"}
"""The fields that become attachments."""

TemplateValues = dict[str, object]


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one language: forms of times, months as they follow a day's number, and the members' names."""

    day: str
    moment: str
    months: tuple[str, ...]
    names: Mapping[str, str]

    def day_of(self, instant: datetime) -> str:
        local = instant.astimezone(HELSINKI)
        return self.day.format(at=local, month=self.months[local.month - 1])

    def moment_of(self, instant: datetime) -> str:
        """Return the time to the second in Finland, with its offset from UTC."""
        local = instant.astimezone(HELSINKI)
        hours = "+3" if local.dst() else "+2"
        return self.moment.format(at=local, month=self.months[local.month - 1], hours=hours)


def _read(language: Language) -> Wording:
    words = tomllib.loads((files(__package__) / "texts" / language / "words.toml").read_text("utf-8"))
    names = {str(reason): texts.in_language(language) for reason, texts in REASONS.items()}
    names |= {str(member): words[table][member] for table, members in _NAMED.items() for member in members}
    return Wording(words["day"], words["moment"], tuple(words["months"]), names)


WORDING = {language: _read(language) for language in Language}
"""The words of every language, read once."""


def template_values(content: task.Content, wording: Wording, date: datetime) -> TemplateValues:
    """Return each field of a content as people read it, and what its template needs besides."""
    values = {name: _shown(name, value, wording) for name, value in content if name not in _FILES}
    if isinstance(content, task.CertificateContent):
        name = common_name(content.subject)
        file, subject = file_stem(name, content.serial), shown_subject(content.subject)
        values |= {"name": name, "file": file, "subject": subject}
    match content:
        case task.IssuedContent():
            fingerprint = fingerprint_of(content.fingerprint)
            return (
                values | _typed(content.type) | {"starts_later": content.not_before > date, "fingerprint": fingerprint}
            )
        case task.RevokedContent():
            return values | {"key_exposed": content.reason == "key-exposed"}
        case task.ExpiringContent():
            return values | _typed(content.type) | {"end_day": wording.day_of(content.not_after)}
        case task.AddressRefusedContent():
            return values | {"name": common_name(content.subject) if content.subject else None}
        case _:
            return values | {"name": values["applied_for"]}


def _shown(name: str, value: object, wording: Wording) -> object:
    match value:
        case datetime():
            return wording.day_of(value) if name in _DAYS else wording.moment_of(value)
        case StrEnum():
            return wording.names[value]
        case str():
            return one_line(value)
        case tuple():
            return tuple(map(one_line, value))
        case _:
            return value


def _typed(type: CertificateType) -> TemplateValues:
    return {"is_server": type.is_server, "is_test": type.is_test}


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
