"""The revoker's settings, from environment variables that are named by the aliases."""

import re
import shlex
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicecert_pki.partitions import HttpUrl
from servicecert_pki.signing_settings import SigningSettings
from servicecert_worker.core.secret_files import SecretUnreadable, read_secret

from .crl.places import CommandPublisher, Publisher

if TYPE_CHECKING:
    from obstore.store import ClientConfig

    from .crl.s3_publisher import S3Publisher

_S3_CONNECT = timedelta(seconds=5)


def _matching(pattern: str, advice: str) -> AfterValidator:
    def check(text: str | None) -> str | None:
        if text is not None and not re.fullmatch(pattern, text):
            raise ValueError(advice)
        return text

    return AfterValidator(check)


class S3Settings(BaseSettings):
    """A bucket that CRLs are put to besides the folder; none without an endpoint.

    Raises pydantic's ValidationError, whose messages tell what to do.
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    crl_s3_endpoint: Annotated[
        str | None,
        _matching(
            r"https?://[A-Za-z0-9.\-\[\]:]+",
            "give scheme, host and, where it is not the scheme's, port, such as https://s3.example.fi",
        ),
    ] = Field(None, alias="SERVICECERT_CRL_S3_ENDPOINT")
    """S3-compatible storage that each published file is put to, as https://host; none without it"""
    crl_s3_bucket: Annotated[
        str | None,
        _matching(
            r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "give the bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens",
        ),
    ] = Field(None, alias="SERVICECERT_CRL_S3_BUCKET")
    """the bucket there; it must exist"""
    crl_s3_prefix: Annotated[
        str,
        _matching(
            r"(?:[A-Za-z0-9][A-Za-z0-9._-]*/)*",
            "give folders of letters, digits, dots, hyphens, each with a slash at its end, such as pki/crl/",
        ),
    ] = Field("", alias="SERVICECERT_CRL_S3_PREFIX", max_length=200)
    """what stands before a file's name, as pki/crl/"""
    crl_s3_region: str = Field("us-east-1", alias="SERVICECERT_CRL_S3_REGION", pattern=r"^[a-z0-9-]{1,63}$")
    """the region that requests are signed for"""
    crl_s3_access_key_id: str | None = Field(None, alias="SERVICECERT_CRL_S3_ACCESS_KEY_ID")
    """the name of the access key"""
    crl_s3_secret_access_key_file: Path | None = Field(None, alias="SERVICECERT_CRL_S3_SECRET_ACCESS_KEY_FILE")
    """a file whose first line is the secret of that key"""
    crl_s3_ca_file: Path | None = Field(None, alias="SERVICECERT_CRL_S3_CA_FILE")
    """CAs, in PEM, that verify the storage beside the system's"""
    crl_s3_timeout_seconds: float = Field(30, alias="SERVICECERT_CRL_S3_TIMEOUT_SECONDS", gt=0, le=600)
    """seconds for each request to the storage"""
    crl_s3_conditional: bool = Field(True, alias="SERVICECERT_CRL_S3_CONDITIONAL")
    """puts are conditional: no older CRL replaces a newer one; false if the storage has no If-Match"""

    @model_validator(mode="after")
    def _bucket_is_whole(self) -> Self:
        needed = (self.crl_s3_bucket, self.crl_s3_access_key_id, self.crl_s3_secret_access_key_file)
        if len({self.crl_s3_endpoint is None, *(each is None for each in needed)}) > 1:
            raise ValueError(
                "SERVICECERT_CRL_S3_ENDPOINT, SERVICECERT_CRL_S3_BUCKET, SERVICECERT_CRL_S3_ACCESS_KEY_ID and "
                "SERVICECERT_CRL_S3_SECRET_ACCESS_KEY_FILE belong together: set all, or none"
            )
        _ = self.s3_publisher
        return self

    @cached_property
    def s3_publisher(self) -> "S3Publisher | None":
        """Return the bucket, opened once: a changed secret or CA is read at the next start. It sends no request yet."""
        if self.crl_s3_endpoint is None or self.crl_s3_bucket is None:
            return None
        # Loaded where there is a bucket: 5 MB.
        from obstore.store import S3Store

        from .crl.s3_publisher import S3Publisher

        timeout = timedelta(seconds=self.crl_s3_timeout_seconds)
        client: ClientConfig = {
            "timeout": timeout,
            "connect_timeout": min(timeout, _S3_CONNECT),
            "allow_http": self.crl_s3_endpoint.startswith("http://"),
        }
        if self.crl_s3_ca_file is not None:
            client["root_certificate"] = self._ca()
        store = S3Store(
            self.crl_s3_bucket,
            endpoint=self.crl_s3_endpoint,
            region=self.crl_s3_region,
            access_key_id=self.crl_s3_access_key_id,
            secret_access_key=self._secret(),
            virtual_hosted_style_request=False,
            client_options=client,
            # The publishing order tries again, and the operator sees each failure.
            retry_config={"max_retries": 0},
        )
        where = f"bucket {self.crl_s3_bucket} at {self.crl_s3_endpoint}"
        return S3Publisher(store, where, self.crl_s3_prefix, self.crl_s3_conditional)

    def _ca(self) -> bytes:
        assert self.crl_s3_ca_file is not None
        try:
            content = self.crl_s3_ca_file.read_bytes()
        except OSError:
            content = b""
        if b"-----BEGIN CERTIFICATE-----" not in content:
            raise ValueError("SERVICECERT_CRL_S3_CA_FILE cannot be read, or holds no certificate in PEM")
        return content

    def _secret(self) -> str:
        assert self.crl_s3_secret_access_key_file is not None
        try:
            return read_secret(self.crl_s3_secret_access_key_file)
        except SecretUnreadable as fault:
            raise ValueError(f"SERVICECERT_CRL_S3_SECRET_ACCESS_KEY_FILE: {fault}") from None


class Settings(SigningSettings, S3Settings):
    """`crl_dir` is the folder that is served at the repository's `crls`."""

    crl_dir: Path = Field(alias="SERVICECERT_CRL_DIR")
    """the folder that the CRLs are published to"""
    crl_internal_url: HttpUrl | None = Field(None, alias="SERVICECERT_CRL_INTERNAL_URL")
    """where the revoker fetches each published CRL back: the server behind the proxy of the public address, so that
    nobody outside can keep it from that; the public address without it
    """
    ocsp_internal_url: HttpUrl | None = Field(None, alias="SERVICECERT_OCSP_INTERNAL_URL")
    """where the revoker asks OCSP whether it says revoked, behind the proxy; the public address without it"""

    crl_publish_command: str | None = Field(None, alias="SERVICECERT_CRL_PUBLISH_COMMAND")
    """a command that gets the path of each published CRL and CA certificate, without a shell, such as rsync"""

    @field_validator("crl_publish_command")
    @classmethod
    def _command(cls, command: str | None) -> str | None:
        try:
            words = shlex.split(command or "")
        except ValueError:
            raise ValueError("close each quote") from None
        if command is not None and not words:
            raise ValueError("give a command, or leave it out")
        return command

    def publishers(self) -> tuple[Publisher, ...]:
        """Return the places that CRLs are copied to from the folder."""
        command = shlex.split(self.crl_publish_command or "")
        publishers = (self.s3_publisher, CommandPublisher(tuple(command)) if command else None)
        return tuple(publisher for publisher in publishers if publisher is not None)
