"""The revoker's settings, from environment variables that are named by the aliases."""

import shlex
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from servicecert_pki.signing_settings import HttpUrl, SigningSettings

from .crl.places import CommandPublisher, Publisher
from .crl.settings import S3Settings
from .storage.prepare import MOST_RESPONDERS


class Settings(SigningSettings, S3Settings):
    """`crl_dir` is the folder that is served at `crl_base_url`.

    CRLs are scheduled every `crl_interval_hours`; their next update is `crl_validity_hours` ahead.
    """

    crl_dir: Annotated[
        Path, Field(alias="SERVICECERT_CRL_DIR", description="the folder that the CRLs are published to")
    ]
    crl_interval_hours: Annotated[
        int,
        Field(
            alias="SERVICECERT_CRL_INTERVAL_HOURS",
            ge=1,
            le=24 * 7,
            description="hours between scheduled CRLs; a revocation publishes one at once",
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

    crl_internal_url: Annotated[
        HttpUrl | None,
        Field(
            alias="SERVICECERT_CRL_INTERNAL_URL",
            description="where the revoker fetches each published CRL back: the server behind the proxy of the public "
            "address, so that nobody outside can keep it from that; the public address without it",
        ),
    ] = None
    ocsp_internal_url: Annotated[
        HttpUrl | None,
        Field(
            alias="SERVICECERT_OCSP_INTERNAL_URL",
            description="where the revoker asks OCSP whether it says revoked, behind the proxy; the public address "
            "without it",
        ),
    ] = None

    cascade_most: Annotated[
        int,
        Field(
            alias="SERVICECERT_CASCADE_MOST",
            ge=0,
            le=1_000,
            description="how many other certificates of a compromised key are revoked without an operator",
        ),
    ] = 20

    ocsp_most_responders: Annotated[
        int,
        Field(
            alias="SERVICECERT_OCSP_MOST_RESPONDERS",
            ge=1,
            le=10_000,
            description="how many OCSP responders' keys are certified in 24 hours, for each environment; further "
            "requests are parked",
        ),
    ] = MOST_RESPONDERS

    crl_publish_command: Annotated[
        str | None,
        Field(
            alias="SERVICECERT_CRL_PUBLISH_COMMAND",
            description="a command that gets the path of each published CRL, without a shell, such as rsync",
        ),
    ] = None

    @field_validator("crl_publish_command")
    @classmethod
    def _command(cls, command: str | None) -> str | None:
        """Accept words in a shell's quotes; nothing else of a shell works."""
        try:
            words = shlex.split(command or "")
        except ValueError:
            raise ValueError("close each quote") from None
        if command is not None and not words:
            raise ValueError("give a command, or leave it out")
        return command

    @field_validator("crl_validity_hours")
    @classmethod
    def _outlives_one_failure(cls, validity: int, info: ValidationInfo) -> int:
        """Refuse a CRL that could expire after one failed pass: relying parties would stop (D7)."""
        if validity < 2 * (interval := info.data.get("crl_interval_hours", 0)):
            raise ValueError(f"give at least {2 * interval}, twice SERVICECERT_CRL_INTERVAL_HOURS, or lower that one")
        return validity

    def publishers(self) -> tuple[Publisher, ...]:
        """Return the places that CRLs are copied to from the folder."""
        command = shlex.split(self.crl_publish_command or "")
        publishers = (self.s3_publisher, CommandPublisher(tuple(command)) if command else None)
        return tuple(publisher for publisher in publishers if publisher is not None)

    @property
    def confirming_url(self) -> str | None:
        """The address that is asked before anybody is told; None if certificates name no responder."""
        return self.ocsp_url and (self.ocsp_internal_url or self.ocsp_url)

    @property
    def interval(self) -> timedelta:
        return timedelta(hours=self.crl_interval_hours)

    @property
    def validity(self) -> timedelta:
        return timedelta(hours=self.crl_validity_hours)
