"""What an operator tells the revoker, by environment variables. Their names are given as aliases."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _http_url(text: str) -> str:
    """An https address has no place in a certificate: fetching it would need another certificate (RFC 5280, 8)."""
    if not re.fullmatch(r"http://[!-~]*[!-.0-~]", text):
        raise ValueError(
            "give an address that begins with http:// and ends without a slash, such as http://crl.example.fi"
        )
    return text


class Settings(BaseSettings):
    """`crl_dir` is the folder that is served at `crl_base_url`.

    A CRL is planned every `crl_interval_hours` and says that the next one comes within `crl_validity_hours`.
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, validate_default=True, extra="ignore")

    ca_dir: Annotated[Path, Field(alias="SERVICECERT_CA_DIR", description="the folder of the CA")]
    ca_passphrase_file: Annotated[
        Path | None,
        Field(
            alias="SERVICECERT_CA_PASSPHRASE_FILE",
            description="for keys in files: two lines, production=<passphrase> and test=<passphrase>",
        ),
    ] = None
    pkcs11_module: Annotated[
        Path | None,
        Field(alias="SERVICECERT_PKCS11_MODULE", description="for keys in a token: the path of its PKCS#11 library"),
    ] = None
    pkcs11_pin_file: Annotated[
        Path | None,
        Field(
            alias="SERVICECERT_PKCS11_PIN_FILE",
            description="for keys in a token: two lines, production=<PIN> and test=<PIN>",
        ),
    ] = None
    crl_dir: Annotated[
        Path, Field(alias="SERVICECERT_CRL_DIR", description="the folder that the CRLs are published to")
    ]
    crl_base_url: Annotated[
        str,
        AfterValidator(_http_url),
        Field(alias="SERVICECERT_CRL_BASE_URL", description="where the folder of the CRLs is served, as http://host"),
    ]
    crl_interval_hours: Annotated[
        int,
        Field(
            alias="SERVICECERT_CRL_INTERVAL_HOURS",
            ge=1,
            le=24 * 7,
            description="hours between planned CRLs; a revocation publishes one at once",
        ),
    ] = 24
    crl_validity_hours: Annotated[
        int,
        Field(
            alias="SERVICECERT_CRL_VALIDITY_HOURS",
            ge=2,
            le=24 * 30,
            description="hours until a CRL's next update: at least twice the interval",
        ),
    ] = 72

    @field_validator("crl_validity_hours")
    @classmethod
    def _generous(cls, validity: int, info: ValidationInfo) -> int:
        """A CRL that ends before the next one can have failed once stops whoever checks it (D7)."""
        if validity < 2 * (interval := info.data.get("crl_interval_hours", 0)):
            raise ValueError(f"give at least {2 * interval}, twice SERVICECERT_CRL_INTERVAL_HOURS, or lower that one")
        return validity

    @property
    def interval(self) -> timedelta:
        return timedelta(hours=self.crl_interval_hours)

    @property
    def validity(self) -> timedelta:
        return timedelta(hours=self.crl_validity_hours)
