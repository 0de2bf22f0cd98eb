"""The elements of the demo's story, made from events, mails and OpenSSL's answers. All outputs render them."""

import re
from base64 import b64decode
from collections.abc import Sequence
from email import message_from_bytes, policy
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID
from rich.text import Text
from servicecert_launcher.mail_catcher import CaughtMail
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.open_list import value_of
from servicecert_schemas.values import Language, Texts

from ..terminal.printing import LANGUAGES, STYLES, fingerprint, relative_names
from .openssl import Answer

E = TypeVar("E", bound=x509.ExtensionType)

QUOTE = "    │ "
"""The margin of a text of which the brief story quotes the first lines."""

_KEY_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")


class Title(NamedTuple):
    text: str
    note: str


class Chapter(NamedTuple):
    title: str
    number: int | None = None


class Progress(NamedTuple):
    """The states of a case that follow the first `shown` ones."""

    case: CaseChanged
    shown: int


class Fact(NamedTuple):
    """A labelled value, which may have several lines. The brief story leaves out a `detail`, and all an empty value."""

    label: str
    value: str
    detail: bool = False
    style: str = ""


class Card(NamedTuple):
    """Facts, and what they are about: a `label` and a `title`, files of the folder, a text, and the same as HTML.

    The brief story has the facts of `brief` alone, if there are any. A terminal has the text behind a `margin`; without
    one, only the web page has it.
    """

    facts: tuple[Fact, ...]
    label: str = ""
    title: str = ""
    style: str = ""
    brief: tuple[Fact, ...] = ()
    files: tuple[str, ...] = ()
    text: Text = Text()
    margin: str | None = None
    html: str = ""
    language: Language = Language.ENGLISH


Element = Title | Chapter | Progress | Card | str
"""A `str` is a paragraph."""


def facts(*facts: Fact) -> Card:
    return Card(facts)


def message(label: str, code: str, texts: Texts, style: str = "") -> Card:
    """Return what the service tells a customer in three languages. In brief: in English, without its code."""
    languages = (Fact(name, texts.in_language(language)) for language, name in LANGUAGES.items())
    return Card(tuple(languages), label, code, style, (Fact(label, texts.en, style=style),))


def certificate(issued: CertificateIssued) -> Card:
    """Return a certificate opened: what its event says and what its extensions say."""
    opened, path = x509.load_der_x509_certificate(b64decode(issued.certificate)), f"certificates/{issued.type}"
    names, extended = _extension(opened, x509.SubjectAlternativeName), _extension(opened, x509.ExtendedKeyUsage)
    usage, key, subject = _extension(opened, x509.KeyUsage), opened.public_key(), relative_names(issued.subject)
    (ca,) = opened.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert isinstance(key, RSAPublicKey | EllipticCurvePublicKey)
    return Card(
        (
            Fact("subject", subject),
            Fact("names", "\n".join(str(each.value) for each in names or ())),
            Fact("issued by", f"{issued.issuer}, {ca.value!s}"),
            Fact("serial", issued.serial),
            Fact("valid", f"{issued.not_before:%Y-%m-%d %H:%M:%S} to {issued.not_after:%Y-%m-%d %H:%M:%S} UTC"),
            Fact("key", f"RSA, {key.key_size} bits" if isinstance(key, RSAPublicKey) else f"EC, {key.curve.name}"),
            Fact("key usage", ", ".join(name.replace("_", " ") for name in _KEY_USAGES if getattr(usage, name))),
            Fact("used for", ", ".join(each._name for each in extended or ())),
            Fact("SHA-256", fingerprint(issued.fingerprint)),
        ),
        "certificate",
        subject.splitlines()[0].removeprefix("CN="),
        "green",
        (Fact("certificate", f"{path}.pem, issued by {issued.issuer}"),),
        (f"{path}.pem", f"{path}.der"),
    )


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    return next((each.value for each in certificate.extensions if isinstance(each.value, kind)), None)


def mail(mails: Sequence[CaughtMail], language: Language, *, quoted: bool) -> Card:
    """Return the mail that all these are copies of; its file is that of the last one."""
    messages = [message_from_bytes(mail.content, policy=policy.default) for mail in mails]
    last, path = messages[-1], mails[-1].path
    plain, html = last.get_body(("plain",)), last.get_body(("html",))
    assert plain is not None
    assert path is not None
    return Card(
        (
            Fact("to", "\n".join(str(each["To"]) for each in messages), detail=True),
            Fact("with", "\n".join(str(part.get_filename()) for part in last.iter_attachments()), detail=True),
        ),
        "mail",
        str(last["Subject"]),
        files=(f"{path.parent.name}/{path.name}",),
        text=Text(plain.get_content().rstrip()),
        margin=QUOTE if quoted else None,
        html="" if html is None else html.get_content(),
        language=language,
    )


def check(answer: Answer) -> Card:
    """Return a command of OpenSSL with its output. In brief: its verdict."""
    command = re.sub(r" (?=-\S+ [^-])", r" \\\n    ", f"$ {answer.command}")
    label, style = answer.command.split()[1], "green" if answer.content else "red"
    title = f"{answer.certificate:<40}{answer.verdict}"
    text = Text.assemble((f"{command}\n", "dim"), (answer.output, style))
    return Card((), label, title, style, (Fact(label, title, style=style),), text=text, margin="    ")


def listed(cases: Sequence[CaseChanged]) -> Card:
    """Return the cases of an account: state, type and names. In full also what is next, in the language of the case."""
    lines = (
        (
            Fact(it.state, f"{it.type} {', '.join(it.applied_for.names)}", style=value_of(STYLES, it.state, "")),
            Fact(LANGUAGES[it.language], it.next_step.in_language(it.language), detail=True),
        )
        for it in cases
    )
    return Card(tuple(fact for pair in lines for fact in pair))
