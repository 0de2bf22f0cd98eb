"""The elements of the demo's story, made from events, mails and OpenSSL's answers. All outputs render them."""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from io import StringIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from rich.console import Console
from servicecert_launcher.mail_catcher import CaughtMail
from servicecert_schemas.case import CaseChanged, Deficiency
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.values import Language, Texts

from ..e_service import page_words
from ..e_service.page import Page
from ..terminal.printing import fingerprint, relative_names
from .openssl import Answer

_AUTHORITIES = {
    "production-rsa": "production-rsa, the RSA 4096 CA for production",
    "production-ec": "production-ec, the EC P-384 CA for production",
    "test-rsa": "test-rsa, the RSA 4096 CA for tests",
    "test-ec": "test-ec, the EC P-384 CA for tests",
}
_KEY_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")


@dataclass(frozen=True, slots=True)
class Title:
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class Chapter:
    number: int
    title: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value, which may have several lines. The brief story leaves out a `detail`."""

    label: str
    value: str
    detail: bool = False
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The states of a case that follow the first `shown` ones."""

    case: CaseChanged
    shown: int


@dataclass(frozen=True, slots=True)
class Deficiencies:
    deficiencies: tuple[Deficiency, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to an event that did not fit its case."""

    texts: Texts


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate, and the path of its files without their ending."""

    issued: CertificateIssued
    path: str

    @property
    def common_name(self) -> str:
        """The first part of the subject, without its type."""
        return relative_names(self.issued.subject).splitlines()[0].removeprefix("CN=")

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The certificate opened: what its event says, then what its extensions say."""
        issued, certificate = self.issued, x509.load_der_x509_certificate(b64decode(self.issued.certificate))
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        return (
            Fact("subject", relative_names(issued.subject)),
            *_names(certificate),
            Fact("issued by", _AUTHORITIES[issued.issuer]),
            Fact("serial", issued.serial),
            Fact("valid", f"{issued.not_before:%Y-%m-%d %H:%M:%S} to {issued.not_after:%Y-%m-%d %H:%M:%S} UTC"),
            Fact("key", _key(certificate)),
            Fact("key usage", ", ".join(name.replace("_", " ") for name in _KEY_USAGES if getattr(usage, name))),
            *_extended_usages(certificate),
            Fact("SHA-256", fingerprint(issued.fingerprint)),
            Fact("file", f"{self.path}.pem and .der"),
        )


def _names(certificate: x509.Certificate) -> Sequence[Fact]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (Fact("names", "\n".join(str(each.value) for each in names)),)


def _extended_usages(certificate: x509.Certificate) -> Sequence[Fact]:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return (Fact("used for", ", ".join(each._name for each in usages)),)


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey | EllipticCurvePublicKey)
    return f"RSA, {key.key_size} bits" if isinstance(key, RSAPublicKey) else f"EC, {key.curve.name}"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of one kind, as it went to each of its recipients. `quoted`: the terminal shows its text, too."""

    subject: str
    language: Language
    recipients: tuple[str, ...]
    attachments: tuple[str, ...]
    text: str
    html: str
    path: str
    quoted: bool

    @classmethod
    def of(cls, mails: Sequence[CaughtMail], language: Language, *, quoted: bool) -> "Mail":
        """Return the mail that all these are copies of; its path is that of the last one."""
        messages = [message_from_bytes(mail.content, policy=policy.default) for mail in mails]
        message, path = messages[-1], mails[-1].path
        plain, html = message.get_body(("plain",)), message.get_body(("html",))
        assert plain is not None
        assert path is not None
        return cls(
            str(message["Subject"]),
            language,
            tuple(str(each["To"]) for each in messages),
            tuple(str(part.get_filename()) for part in message.iter_attachments()),
            plain.get_content(),
            "" if html is None else html.get_content(),
            f"{path.parent.name}/{path.name}",
            quoted,
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """A command of OpenSSL with its output. `whole`: the command has not been shown before."""

    answer: Answer
    whole: bool


@dataclass(frozen=True, slots=True)
class CaseList:
    """The page of a customer account."""

    account_id: str
    cases: tuple[CaseChanged, ...]

    @property
    def language(self) -> Language:
        return self.cases[0].language

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Each case in brief: its state, and what it is for, in the customer's language."""
        return [
            (
                page_words.state(case.state).in_language(self.language),
                f"{page_words.TYPES[case.type].in_language(self.language)} {', '.join(case.applied_for.dns)}",
            )
            for case in self.cases
        ]

    @property
    def text(self) -> str:
        """The page as text of 80 columns."""
        console = Console(file=StringIO(), width=80, highlight=False)
        self.draw(console)
        file = console.file
        assert isinstance(file, StringIO)
        return file.getvalue()

    def draw(self, console: Console) -> None:
        Page(console, self.language).listed(self.account_id, self.cases)


@dataclass(frozen=True, slots=True)
class Ending:
    """What was written, and what to try next: each a name and what it is."""

    folder: str
    files: tuple[Fact, ...]
    next: tuple[Fact, ...]


Element = (
    Title
    | Chapter
    | Paragraph
    | Facts
    | Progress
    | Deficiencies
    | Reply
    | IssuedCertificate
    | Mail
    | Checked
    | CaseList
    | Ending
)
