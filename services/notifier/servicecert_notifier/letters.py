"""What each mail says: the templates in `mails/`, compiled once, filled with what a task carries (C1, C2, C4, D5). Pure."""

import re
import unicodedata
from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template, select_autoescape
from servicecert_schemas.mail import MailKind
from servicecert_schemas.values import Language

from . import markup
from .message import Attachment, Letter, encoded, one_line
from .task import KINDS, Content, IssuedContent, MailTask, ReturnedContent, RevokedContent
from .wording import WORDING, Wording

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_RDN = re.compile(r"(?:\\.|[^,+\\])+", re.DOTALL)
_NEXT_RDN = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Templates:
    """The compiled templates of one kind of mail in one language."""

    subject: Template
    text: Template
    html: Template


def _compile() -> dict[tuple[Language, MailKind], Templates]:
    plain, html = _environment(escapes=False), _environment(escapes=True)
    folder = files(__package__) / "mails"
    page = (folder / "page.html.j2").read_text("utf-8")
    compiled = {}
    for language in Language:
        for kind in KINDS:
            sources = markup.read((folder / language / f"{kind}.j2").read_text("utf-8"))
            compiled[language, kind] = Templates(
                plain.from_string(sources.subject),
                plain.from_string(sources.text),
                html.from_string(page.replace("<!-- language -->", language).replace("<!-- body -->", sources.html)),
            )
    return compiled


def _environment(escapes: bool) -> Environment:
    return Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=select_autoescape(default_for_string=escapes),
    )


_TEMPLATES = _compile()


def write(task: MailTask, contact: str) -> Letter:
    """The letter for one recipient, in the case's language. `contact` is whom the reader may ask."""
    wording = WORDING[task.language]
    content = task.content
    filled = _filled(content, wording) | {"case_id": str(task.case_id), "contact": contact}
    templates = _TEMPLATES[task.language, content.kind]
    subject = templates.subject.render(filled)
    return Letter(
        subject=subject,
        text=templates.text.render(filled),
        html=templates.html.render(filled, title=subject),
        attachments=_attachments(content, str(filled["file"])) if isinstance(content, IssuedContent) else (),
    )


def common_name(subject: str) -> str:
    """The common name in a distinguished name as text (RFC 4514), the whole text where it has none."""
    for part in _RDN.finditer(subject):
        kind, _, value = part[0].strip().partition("=")
        if kind.upper() == "CN":
            return one_line(_ESCAPED.sub(_unescaped, value) if "\\" in value else value)
    return one_line(subject)


def file_stem(name: str, serial: str) -> str:
    """The name of a certificate's files without its ending, `<CN>_<serial>`: letters, digits, dots, hyphens, safe on every system."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return f"{_UNSAFE.sub('-', ascii_name).strip('.-')[:64] or 'certificate'}_{serial}"


def fingerprint_of(hexadecimal: str) -> str:
    """A SHA-256 as OpenSSL prints it: octets in capitals between colons."""
    return bytes.fromhex(hexadecimal).hex(":").upper()


def pem(certificate: str) -> bytes:
    """A certificate, given as base64 of DER, in PEM (RFC 7468)."""
    lines = "\n".join(certificate[at : at + 64] for at in range(0, len(certificate), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode("ascii")


@lru_cache(maxsize=64)
def _chain(chain: tuple[str, ...]) -> bytes:
    """The chain's file, encoded once for each issuing CA."""
    return encoded(b"".join(map(pem, chain)))


def _attachments(content: IssuedContent, stem: str) -> tuple[Attachment, ...]:
    return (
        Attachment(f"{stem}.der", "application/pkix-cert", encoded(b64decode(content.certificate))),
        Attachment(f"{stem}.pem", "application/x-pem-file", encoded(pem(content.certificate))),
        Attachment(f"{stem}_chain.pem", "application/pem-certificate-chain", _chain(content.chain)),
    )


def _filled(content: Content, wording: Wording) -> dict[str, object]:
    """What the templates name, in words."""
    if isinstance(content, ReturnedContent):
        return {
            "type": wording.types[content.type],
            "name": one_line(content.applied_for),
            "reference": one_line(content.customer_reference or ""),
            "deficiencies": tuple(map(one_line, content.deficiencies)),
            "due": wording.day_of(content.due) if content.due else None,
        }
    name = common_name(content.subject)
    named = {
        "name": name,
        "file": file_stem(name, content.serial),
        "subject": _NEXT_RDN.sub(", ", one_line(content.subject)).replace("2.5.4.5=", "serialNumber="),
        "serial": content.serial,
        "serial_decimal": content.serial_decimal,
    }
    return named | (_revoked(content, wording) if isinstance(content, RevokedContent) else _issued(content, wording))


def _issued(content: IssuedContent, wording: Wording) -> dict[str, object]:
    return {
        "type": wording.types[content.type],
        "is_server": content.type.is_server,
        "is_test": content.type.is_test,
        "not_before": wording.moment_of(content.not_before),
        "not_after": wording.moment_of(content.not_after),
        "fingerprint": fingerprint_of(content.fingerprint),
    }


def _revoked(content: RevokedContent, wording: Wording) -> dict[str, object]:
    return {
        "reason": wording.reasons[content.reason],
        "key_exposed": content.reason == "key-exposed",
        "requested_at": wording.moment_of(content.requested_at),
        "revoked_at": wording.moment_of(content.revoked_at),
        "invalid_since": wording.moment_of(content.invalid_since) if content.invalid_since else None,
        "crl_number": content.crl_number,
        "crl_url": content.crl_url,
    }


def _unescaped(match: re.Match[str]) -> str:
    octets, character = match.groups()
    return bytes.fromhex(octets.replace("\\", "")).decode("utf-8", "replace") if octets else character
