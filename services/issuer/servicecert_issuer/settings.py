"""What an operator tells the issuer, by environment variables whose names begin with SERVICECERT_."""

from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

HttpUrl = Annotated[str, StringConstraints(pattern=r"^http://[!-~]*[!-.0-~]$", max_length=400)]
"""An absolute HTTP address without a slash at its end. A certificate names no https address (RFC 5280, 8)."""


class Settings(BaseSettings):
    """`crl_base_url` is where relying parties fetch `<issuer>.crl` and `<issuer>.cer`; without `ocsp_url` none is named."""

    model_config = SettingsConfigDict(env_prefix="SERVICECERT_", frozen=True)

    ca_dir: Path
    ca_passphrase_file: Path
    crl_base_url: HttpUrl
    ocsp_url: HttpUrl | None = None
