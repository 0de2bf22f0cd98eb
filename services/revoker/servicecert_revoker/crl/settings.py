"""The settings of a bucket that CRLs are put to besides the folder."""

import re
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from obstore.store import S3Store
from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicecert_worker.core.secret_files import SecretUnreadable, read_secret

from .s3_publisher import S3Publisher

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_CONNECT = timedelta(seconds=5)


def _endpoint(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", text):
        raise ValueError("give scheme, host and, where it is not the scheme's, port, such as https://s3.example.fi")
    return text


def _bucket(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", text):
        raise ValueError("give the bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens")
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*/)*", text):
        raise ValueError(
            "give folders of letters, digits, dots, hyphens, each with a slash at its end, such as pki/crl/"
        )
    return text


class S3Settings(BaseSettings):
    """The bucket; none without an endpoint. Raises pydantic's ValidationError, whose messages tell what to do."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    crl_s3_endpoint: Annotated[
        str | None,
        AfterValidator(_endpoint),
        Field(
            alias="SERVICECERT_CRL_S3_ENDPOINT",
            description="S3-compatible storage that each published file is put to, as https://host; none without it",
        ),
    ] = None
    crl_s3_bucket: Annotated[
        str | None,
        AfterValidator(_bucket),
        Field(alias="SERVICECERT_CRL_S3_BUCKET", description="the bucket there; it must exist"),
    ] = None
    crl_s3_prefix: Annotated[
        str,
        AfterValidator(_prefix),
        Field(
            alias="SERVICECERT_CRL_S3_PREFIX",
            max_length=200,
            description="what stands before a file's name, as pki/crl/",
        ),
    ] = ""
    crl_s3_region: Annotated[
        str,
        Field(
            alias="SERVICECERT_CRL_S3_REGION",
            pattern=r"^[a-z0-9-]{1,63}$",
            description="the region that requests are signed for",
        ),
    ] = "us-east-1"
    crl_s3_access_key_id: Annotated[
        str | None, Field(alias="SERVICECERT_CRL_S3_ACCESS_KEY_ID", description="the name of the access key")
    ] = None
    crl_s3_secret_access_key_file: Annotated[
        Path | None,
        Field(
            alias="SERVICECERT_CRL_S3_SECRET_ACCESS_KEY_FILE",
            description="a file whose first line is the secret of that key",
        ),
    ] = None
    crl_s3_ca_file: Annotated[
        Path | None,
        Field(
            alias="SERVICECERT_CRL_S3_CA_FILE", description="CAs, in PEM, that verify the storage beside the system's"
        ),
    ] = None
    crl_s3_timeout_seconds: Annotated[
        float,
        Field(
            alias="SERVICECERT_CRL_S3_TIMEOUT_SECONDS",
            gt=0,
            le=600,
            description="seconds for each request to the storage",
        ),
    ] = 30
    crl_s3_conditional: Annotated[
        bool,
        Field(
            alias="SERVICECERT_CRL_S3_CONDITIONAL",
            description="puts are conditional: no older CRL replaces a newer one; false if the storage has no If-Match",
        ),
    ] = True

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
    def s3_publisher(self) -> S3Publisher | None:
        """Return the bucket, opened once: a changed secret or CA is read at the next start. It sends no request yet."""
        if self.crl_s3_endpoint is None or self.crl_s3_bucket is None:
            return None
        timeout = timedelta(seconds=self.crl_s3_timeout_seconds)
        client: ClientConfig = {
            "timeout": timeout,
            "connect_timeout": min(timeout, _CONNECT),
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
