"""The settings of the exporter and of the canary, from environment variables that are named by the aliases."""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from servicecert_schemas.values import BusinessId, EmailAddress, Text
from servicecert_worker.runtime.settings import SECRETS, PasswordFile, ProcessSettings, ReaderSettings, dsn_of


class LagSettings(ProcessSettings):
    """Without `DATABASE_URL` there are no figures of the tables."""

    model_config = SettingsConfigDict(secrets_dir=SECRETS if SECRETS.is_dir() else None)

    database_url: Annotated[
        SecretStr | None,
        Field(
            alias="DATABASE_URL",
            description="the login MONITORING of `servicecert db prepare`; without it the tables are not looked at",
        ),
    ] = None
    database_password_file: PasswordFile = None
    seconds: Annotated[
        float,
        Field(alias="SERVICECERT_LAG_SECONDS", ge=0.5, le=300, description="seconds between two looks"),
    ] = 10.0
    window: Annotated[
        int,
        Field(
            alias="SERVICECERT_LAG_WINDOW",
            ge=2,
            le=1_000,
            description="how many looks a verdict on a partition is about (ok, behind, stalled, stopped)",
        ),
    ] = 30
    groups: Annotated[
        re.Pattern[str] | None,
        BeforeValidator(lambda text: text or None),
        Field(
            alias="SERVICECERT_LAG_GROUPS",
            description="a regular expression of whole names of consumer groups of others that are looked at, too, at "
            "most 50; the login needs Describe on them",
        ),
    ] = None
    cluster_name: Annotated[
        str,
        Field(alias="SERVICECERT_CLUSTER_NAME", description="the label cluster_name of the lag's metrics"),
    ] = "servicecert"

    @cached_property
    def dsn(self) -> str | None:
        """The database's URL with its password, which is read once."""
        return None if self.database_url is None else dsn_of(self.database_url, self.database_password_file)

    @model_validator(mode="after")
    def _password_is_readable(self) -> Self:
        _ = self.dsn
        return self


class CanarySettings(ReaderSettings):
    """The organisation of the defaults is in the fictitious registers."""

    mail: Annotated[
        EmailAddress,
        Field(
            alias="SERVICECERT_CANARY_MAIL",
            description="the address that gets the canary's mails, such as canary@authority.example: a mailbox of its "
            "own, which nobody reads",
        ),
    ]
    ca_certificates: Annotated[
        Path,
        Field(
            alias="SERVICECERT_CANARY_CA_CERTIFICATES",
            description="a folder of the issuing CAs' certificates, `<CA>.cer` or `<CA>.pem`: the canary's must be "
            "signed by one of them",
        ),
    ]
    seconds: Annotated[
        int,
        Field(
            alias="SERVICECERT_CANARY_SECONDS",
            ge=10,
            le=86_400,
            description="seconds from the start of one run to that of the next",
        ),
    ] = 300
    stage_seconds: Annotated[
        int,
        Field(
            alias="SERVICECERT_CANARY_STAGE_SECONDS",
            ge=1,
            le=3_600,
            description="the longest that a stage of a run may take; then the run has failed",
        ),
    ] = 120
    business_id: Annotated[
        BusinessId,
        Field(alias="SERVICECERT_CANARY_BUSINESS_ID", description="the organisation that the canary applies for"),
    ] = "9900099-0"
    unit: Annotated[
        Text,
        Field(alias="SERVICECERT_CANARY_UNIT", description="the long name of its unit, as the registers have it"),
    ] = "Varmennepalvelun kanarialintu"
