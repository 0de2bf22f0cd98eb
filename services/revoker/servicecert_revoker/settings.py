"""What an operator tells the revoker, by environment variables whose names begin with SERVICECERT_."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

HttpUrl = Annotated[str, StringConstraints(pattern=r"^http://[!-~]*[!-.0-~]$", max_length=400)]
"""An absolute HTTP address without a slash at its end. A certificate names no https address (RFC 5280, 8)."""


class Settings(BaseSettings):
    """`crl_dir` is the folder that is served at `crl_base_url`.

    A CRL is planned every `crl_interval_hours` and says that the next one comes within `crl_validity_hours`.
    """

    model_config = SettingsConfigDict(env_prefix="SERVICECERT_", frozen=True)

    ca_dir: Path
    ca_passphrase_file: Path
    crl_dir: Path
    crl_base_url: HttpUrl
    crl_interval_hours: Annotated[int, Field(ge=1, le=24 * 7)] = 24
    crl_validity_hours: Annotated[int, Field(ge=2, le=24 * 30)] = 72

    @model_validator(mode="after")
    def _generous(self) -> Self:
        """A CRL that ends before the next one can have failed twice stops whoever checks it (D7)."""
        if self.crl_validity_hours < 2 * self.crl_interval_hours:
            raise ValueError(
                "SERVICECERT_CRL_VALIDITY_HOURS must be at least twice SERVICECERT_CRL_INTERVAL_HOURS: "
                "raise the one or lower the other"
            )
        return self

    @property
    def interval(self) -> timedelta:
        return timedelta(hours=self.crl_interval_hours)

    @property
    def validity(self) -> timedelta:
        return timedelta(hours=self.crl_validity_hours)
