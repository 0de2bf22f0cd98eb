"""Renders mails: the templates in `texts/`, with the values of a task (C1, C2, C4, D5). Pure."""

from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from uuid import UUID

from jinja2 import Environment, StrictUndefined, Template, select_autoescape
from servicecert_schemas.mail import MailKind
from servicecert_schemas.values import Language

from ...domain.task import REMINDERS, Content, IssuedContent, Letterhead, MailTask
from . import markup
from .filling import WORDING, TemplateValues, template_values
from .message import Attachment, Letter, encoded, in_lines


def _read() -> dict[tuple[Language, str], tuple[str, str, str]]:
    """Return the templates of subject, text and page of each kind of mail, by language."""
    folder = files(__package__) / "texts"
    page = (folder / "page.html.j2").read_text("utf-8")
    sources = {}
    for language in Language:
        closing = (folder / language / "closing.j2").read_text("utf-8")
        for name in sorted({template_of(kind) for kind in MailKind}):
            source = (folder / language / f"{name}.j2").read_text("utf-8")
            subject, text, body = markup.read(f"{source}\n{closing}")
            whole = page.replace("<!-- language -->", language).replace("<!-- body -->", body)
            sources[language, name] = (subject, text, whole)
    return sources


def template_of(kind: MailKind) -> str:
    """Return the name of a kind's template. The reminders of a certificate's end share one."""
    return "certificate-expires" if kind in REMINDERS else kind


def _environment(escapes: bool) -> Environment:
    return Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=select_autoescape(default_for_string=escapes),
    )


_SOURCES = _read()
_PLAIN, _HTML = _environment(escapes=False), _environment(escapes=True)


@cache
def _templates(language: Language, name: str) -> tuple[Template, Template, Template]:
    """Return the templates, compiled on their first use: all of them take 0.1 s."""
    subject, text, page = _SOURCES[language, name]
    return _PLAIN.from_string(subject), _PLAIN.from_string(text), _HTML.from_string(page)


def write(task: MailTask, head: Letterhead) -> Letter:
    return _letter(task.content, task.language, task.date, task.case_id, head)


@lru_cache(maxsize=16)
def _letter(content: Content, language: Language, date: datetime, case_id: UUID, head: Letterhead) -> Letter:
    """Return the letter. The cache renders it once for the recipients of a case, whose mails follow one another."""
    signed = {"case_id": str(case_id), "contact": head.contact, "closing": head.closing, "authority": head.name}
    values = template_values(content, WORDING[language], date) | signed
    title, plain, page = _templates(language, template_of(content.kind))
    subject = title.render(values)
    return Letter(subject, plain.render(values), page.render(values, title=subject), _attachments(content, values))


def pem(certificate: str) -> bytes:
    """Return a certificate, given as base64 of DER, in PEM (RFC 7468)."""
    lines = "\n".join(certificate[at : at + 64] for at in range(0, len(certificate), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode("ascii")


@lru_cache(maxsize=64)
def _chain(chain: tuple[str, ...]) -> bytes:
    return encoded(b"".join(map(pem, chain)))


def _attachments(content: Content, values: TemplateValues) -> tuple[Attachment, ...]:
    if not isinstance(content, IssuedContent):
        return ()
    stem = values["file"]
    return (
        Attachment(f"{stem}.der", "application/pkix-cert", in_lines(content.certificate.encode("ascii"))),
        Attachment(f"{stem}.pem", "application/x-pem-file", encoded(pem(content.certificate))),
        Attachment(f"{stem}-chain.pem", "application/pem-certificate-chain", _chain(content.chain)),
    )
