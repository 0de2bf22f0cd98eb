"""Settings of a service that signs, from environment variables: the CA's location, and the access to its keys."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from .authority import Authority
from .identity import FILE, Identity, Repository, identity_in, required
from .keyring import access, open_keys
from .keys import SigningKey


class SigningSettings(BaseSettings):
    """Aliases are the variables' names."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, validate_default=True, extra="ignore")

    ca_dir: Path = Field(alias="SERVICECERT_CA_DIR")
    """the folder of the CA"""
    ca_passphrase_file: Path | None = Field(None, alias="SERVICECERT_CA_PASSPHRASE_FILE")
    """for keys in files: two lines, production=<passphrase> and test=<passphrase>"""
    pkcs11_module: Path | None = Field(None, alias="SERVICECERT_PKCS11_MODULE")
    """for keys in a token: the path of its PKCS#11 library"""
    pkcs11_pin_file: Path | None = Field(None, alias="SERVICECERT_PKCS11_PIN_FILE")
    """for keys in a token: two lines, production=<PIN> and test=<PIN>"""
    authority_file: Path | None = Field(None, alias="SERVICECERT_AUTHORITY_FILE")
    """the authority's own file; default: authority.toml in the folder of the CA"""

    @cached_property
    def whose(self) -> Identity:
        """Return the authority. Raises IdentityUnusable."""
        return identity_in(self.ca_dir, self.authority_file)

    @property
    def repository(self) -> Repository:
        """Return the addresses in certificates. Raises IdentityUnusable."""
        return required(self.whose.repository, "repository", self.authority_file or self.ca_dir / FILE)

    def open_authority(self) -> tuple[Authority, Mapping[str, SigningKey]]:
        """Return the CAs and their keys by CA name, in about a second; a key works once its token is there.

        Raises AuthorityMissing, AuthorityDamaged or KeyUnavailable, each with one sentence that says what to do.
        """
        authority = Authority.load(self.ca_dir)
        return authority, open_keys(
            authority, *access(self.ca_passphrase_file, self.pkcs11_module, self.pkcs11_pin_file), waits=True
        )
