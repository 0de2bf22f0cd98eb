"""What an operator sets for the notifier. Dangerous or incomplete settings are refused before anything starts."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, FilePath, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .message import Sender
from .pace import Limits


class StartTls(StrEnum):
    """Whether the conversation with the mail server is encrypted (RFC 3207).

    `required` verifies the server's certificate; `opportunistic` takes what there is, unverified (RFC 7435).
    """

    REQUIRED = "required"
    OPPORTUNISTIC = "opportunistic"
    OFF = "off"


def _sender(text: str) -> str:
    Sender.read(text)
    return text


class Settings(BaseSettings):
    """The environment names are the field names in capitals. Raises pydantic's `ValidationError`, whose messages name the way out."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    smtp_host: Annotated[str, Field(min_length=1, description="the mail server")]
    smtp_port: Annotated[int, Field(ge=1, le=65_535, description="its port")] = 587
    smtp_starttls: Annotated[
        StartTls,
        Field(description="required (verified), opportunistic (unverified, where offered) or off"),
    ] = StartTls.REQUIRED
    smtp_ca_file: Annotated[
        FilePath | None, Field(description="the CAs that verify the mail server; the system's without it")
    ] = None
    smtp_username: Annotated[str | None, Field(description="needs SMTP_STARTTLS=required")] = None
    smtp_password_file: Annotated[
        FilePath | None, Field(description="a file whose first line is the password; goes with SMTP_USERNAME")
    ] = None
    smtp_connections: Annotated[int, Field(ge=1, le=8, description="conversations at once, for each worker")] = 2
    smtp_timeout_seconds: Annotated[
        float, Field(gt=0, le=600, description="seconds to wait for each answer of the mail server")
    ] = 60
    servicecert_mail_from: Annotated[
        str, AfterValidator(_sender), Field(description="the sender, as Name <address> or an address")
    ]
    servicecert_mail_contact: Annotated[
        str | None, Field(description="whom the mails say to ask; the sender's address without it")
    ] = None
    servicecert_reminders_per_hour: Annotated[
        int, Field(ge=1, le=1_000_000, description="reminders handed over in an hour at most, by all workers")
    ] = 3_600
    servicecert_reminders_per_hour_to_a_domain: Annotated[
        int, Field(ge=1, le=1_000_000, description="of these, to the addresses of one domain")
    ] = 240

    @model_validator(mode="after")
    def _login_is_whole_and_safe(self) -> Self:
        if (self.smtp_username is None) != (self.smtp_password_file is None):
            raise ValueError("SMTP_USERNAME and SMTP_PASSWORD_FILE belong together: set both, or neither")
        if self.smtp_username is not None and self.smtp_starttls is not StartTls.REQUIRED:
            raise ValueError("SMTP_USERNAME needs SMTP_STARTTLS=required, so that the password never goes unencrypted")
        return self

    @property
    def sender(self) -> Sender:
        """Whom the mails are from."""
        return Sender.read(self.servicecert_mail_from)

    @property
    def contact(self) -> str:
        """Whom a reader may ask, as written in the mails: the sender's address where nothing else is set."""
        return self.servicecert_mail_contact or self.sender.address

    @property
    def limits(self) -> Limits:
        """How fast reminders go."""
        return Limits(self.servicecert_reminders_per_hour, self.servicecert_reminders_per_hour_to_a_domain)

    def password(self) -> str | None:
        """The password of the mail server's account: the first line of its file."""
        if self.smtp_password_file is None:
            return None
        return self.smtp_password_file.read_text().partition("\n")[0].rstrip("\r")
