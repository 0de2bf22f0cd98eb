"""What an operator tells the issuer, by environment variables. Their names are given as aliases."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicecert_pki.lint import LintSetting


def _http_url(text: str) -> str:
    """An https address has no place in a certificate: fetching it would need another certificate (RFC 5280, 8)."""
    if not re.fullmatch(r"http://[!-~]*[!-.0-~]", text):
        raise ValueError(
            "give an address that begins with http:// and ends without a slash, such as http://crl.example.fi"
        )
    return text


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Settings(BaseSettings):
    """`crl_base_url` is where relying parties fetch `<issuer>.crl` and `<issuer>.cer`; without `ocsp_url` none is named."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

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
    crl_base_url: Annotated[
        HttpUrl,
        Field(alias="SERVICECERT_CRL_BASE_URL", description="where the folder of the CRLs is served, as http://host"),
    ]
    lint: Annotated[
        LintSetting,
        Field(
            alias="SERVICECERT_LINT",
            description="which certificates pkilint sees before they are signed: every one, or the first of each shape",
        ),
    ] = LintSetting.SHAPE
    sign_within_hours: Annotated[
        float,
        Field(
            alias="SERVICECERT_SIGN_WITHIN_HOURS",
            gt=0,
            description="hours that an intended certificate waits for its CA's key until its serial number is void",
        ),
    ] = 168
    clock_limit_seconds: Annotated[
        float,
        Field(
            alias="SERVICECERT_CLOCK_LIMIT_SECONDS",
            ge=1,
            description="seconds that the clock may jump, or differ from PostgreSQL's, until issuing stops",
        ),
    ] = 60
    ocsp_url: Annotated[
        HttpUrl | None,
        Field(alias="SERVICECERT_OCSP_URL", description="the OCSP responder that certificates name; none without it"),
    ] = None
