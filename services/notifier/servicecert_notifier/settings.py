"""The notifier's settings. Dangerous or incomplete ones are refused before anything starts."""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, DirectoryPath, Field, FilePath, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicecert_pki.identity import Identity, IdentityUnusable, read_identity, required
from servicecert_schemas.values import Language
from servicecert_worker.core.secret_files import SecretUnreadable, read_secret

from .domain.pace import Limits
from .domain.relays import Relay
from .domain.task import Letterhead
from .mail.domain.message import Sender, UnsendableAddress, mailbox
from .mail.effects.dkim_key import DkimKey

_SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")


class Tls(StrEnum):
    """The encryption of a conversation with a mail server.

    `starttls` (RFC 3207) and `implicit` (RFC 8314) verify the server's certificate. `opportunistic` encrypts if the
    server offers it, unverified (RFC 7435).
    """

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    OPPORTUNISTIC = "opportunistic"
    OFF = "off"

    @property
    def is_verified(self) -> bool:
        return self in (Tls.STARTTLS, Tls.IMPLICIT)


def _hosts(text: str) -> str:
    Relay.read_all(text, 587)
    return text


def _bounces_to(text: str | None) -> str | None:
    try:
        return text if text is None else mailbox(text)
    except UnsendableAddress:
        raise ValueError("is not an address: write it as name@domain") from None


def _selector(text: str | None) -> str | None:
    if text is not None and not _SELECTOR.fullmatch(text):
        raise ValueError("is not a selector: letters, digits, hyphens, dots between them")
    return text


class Settings(BaseSettings):
    """The environment names are the field names in capitals. Raise `ValidationError`; its messages say what to do."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    smtp_host: Annotated[str, AfterValidator(_hosts)] = Field(min_length=1)
    """the mail server, as host or host:port, or several with commas between: the first that answers is used"""
    smtp_port: int = Field(587, ge=1, le=65_535)
    """the port of servers without one in SMTP_HOST"""
    smtp_tls: Tls = Tls.STARTTLS
    """starttls (verified), implicit (verified; from the first byte on, as on port 465), opportunistic (unverified,
    where offered) or off
    """
    smtp_ca_file: FilePath | None = None
    """the CAs that verify the mail server; default: the system's"""
    smtp_username: str | None = None
    """needs SMTP_TLS=starttls or implicit"""
    smtp_password_file: FilePath | None = None
    """a file whose first line is the password; goes with SMTP_USERNAME"""
    smtp_connections: int = Field(2, ge=1, le=8)
    """open conversations at most, for each worker"""
    smtp_timeout_seconds: float = Field(60, gt=0, le=600)
    """seconds to wait for each answer of the mail server"""
    smtp_end_timeout_seconds: float = Field(600, gt=0, le=3_600)
    """seconds to wait for the answer to a whole mail: a shorter time than the server's sends mails twice"""
    servicecert_authority_file: FilePath
    """the authority's own file, authority.toml, which says who signs the mails"""
    servicecert_reminders_per_hour: int = Field(3_600, ge=60, le=1_000_000)
    """the most reminders an hour, by all workers"""
    servicecert_reminders_per_hour_to_a_domain: int = Field(240, ge=1, le=1_000_000)
    """the most reminders an hour to one recipient domain"""
    servicecert_mail_bounces_to: Annotated[str | None, AfterValidator(_bounces_to)] = None
    """the envelope sender, which gets the bounces; default: the sender's address"""
    servicecert_bounce_maildir: DirectoryPath | None = None
    """the Maildir that bounces are delivered to; without it, bounces are not read"""
    servicecert_dkim_key_file: FilePath | None = None
    """the private key (PEM; RSA or Ed25519) that signs mails with DKIM; without it, none is signed"""
    servicecert_dkim_selector: Annotated[str | None, AfterValidator(_selector)] = None
    """the DKIM selector; goes with the key"""

    @model_validator(mode="after")
    def _secrets_are_complete_readable_and_encrypted(self) -> Self:
        if (self.smtp_username is None) != (self.smtp_password_file is None):
            raise ValueError("SMTP_USERNAME and SMTP_PASSWORD_FILE belong together: set both, or neither")
        if (self.servicecert_dkim_key_file is None) != (self.servicecert_dkim_selector is None):
            raise ValueError(
                "SERVICECERT_DKIM_KEY_FILE and SERVICECERT_DKIM_SELECTOR belong together: set both, or neither"
            )
        if self.smtp_username is not None and not self.smtp_tls.is_verified:
            raise ValueError(
                "SMTP_USERNAME needs SMTP_TLS=starttls or implicit, so that the password is never sent unencrypted"
            )
        try:
            _ = self.sender
        except IdentityUnusable as fault:
            raise ValueError(f"SERVICECERT_AUTHORITY_FILE: {fault}") from None
        except UnsendableAddress as fault:
            raise ValueError(f"mail.sender in {self.servicecert_authority_file}: {fault}") from None
        self.dkim_key()
        try:
            self.password()
        except SecretUnreadable as fault:
            raise ValueError(f"SMTP_PASSWORD_FILE: {fault}") from None
        return self

    def dkim_key(self) -> DkimKey | None:
        """Return the key that signs mails, None if none is set. Raise `ValueError` with a sentence."""
        if self.servicecert_dkim_key_file is None or self.servicecert_dkim_selector is None:
            return None
        return DkimKey.read(self.servicecert_dkim_key_file, self.servicecert_dkim_selector, self.sender.domain)

    @property
    def relays(self) -> tuple[Relay, ...]:
        """Return the mail servers, the preferred one first."""
        return Relay.read_all(self.smtp_host, self.smtp_port)

    @cached_property
    def whose(self) -> Identity:
        """Return the authority. Raise IdentityUnusable."""
        return read_identity(self.servicecert_authority_file)

    @cached_property
    def letterheads(self) -> Mapping[Language, Letterhead]:
        """Return who signs mails, by language. Raise IdentityUnusable."""
        whose = self.whose
        mail = required(whose.mail, "mail", self.servicecert_authority_file)
        signed = {"sender": mail.sender, "contact": mail.contact}
        return {it: Letterhead(**signed, name=whose.called(it), closing=whose.closing(it)) for it in Language}

    @property
    def sender(self) -> Sender:
        head = self.letterheads[Language.ENGLISH]
        return Sender.of(head.sender, head.name)

    @property
    def limits(self) -> Limits:
        return Limits(self.servicecert_reminders_per_hour, self.servicecert_reminders_per_hour_to_a_domain)

    def password(self) -> str | None:
        """Return the password of the mail server's account: the first line of its file."""
        return None if self.smtp_password_file is None else read_secret(self.smtp_password_file)
