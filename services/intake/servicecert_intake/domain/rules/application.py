"""What the rules judge, and what they find."""

from dataclasses import dataclass

from servicecert_pki.profile import KeyUsage
from servicecert_schemas.application import Attachment, Form
from servicecert_schemas.certificate import ServerNames, Subject
from servicecert_schemas.values import Usage
from servicecert_worker.decider import Facts

from .keys import KeyRecord


@dataclass(frozen=True, slots=True)
class JudgedKey:
    """The public key of a request: the SHA-256 of its SubjectPublicKeyInfo in hexadecimal, and its family, `rsa` or `ec`."""

    sha256: str
    family: str


@dataclass(frozen=True, slots=True)
class JudgedCsr(Facts):
    """A certificate request after it was examined: its DER in base64 and its key where it is accepted, else the codes of its faults (A4)."""

    der: str | None = None
    faults: tuple[str, ...] = ()
    key: JudgedKey | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """An application as it stands: the newest form and attachments, and the newest request, if one came.

    `account_of` is the business id of the organisation whose account applies, where it is known. `follows_unknown` says that the certificate which is
    followed was looked up in vain. `key` is what is recorded of the request's key beside it.
    """

    form: Form
    attachments: tuple[Attachment, ...] = ()
    csr: JudgedCsr | None = None
    account_of: str | None = None
    follows_unknown: bool = False
    key: KeyRecord | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What will be certified, apart from the key. The key usage follows from the type and the key: none is told before a request came."""

    subject: Subject
    names: ServerNames
    usages: tuple[Usage, ...]
    key_usage: tuple[KeyUsage, ...] = ()
