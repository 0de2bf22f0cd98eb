"""The settings of the exporter and of the canary, from environment variables that are named by the aliases."""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from servicecert_schemas.values import BusinessId, EmailAddress, Text
from servicecert_worker.runtime.settings import SECRETS, ProcessSettings, ReaderSettings, dsn_of


class LagSettings(ProcessSettings):
    """Without `DATABASE_URL` there are no figures of the tables."""

    model_config = SettingsConfigDict(secrets_dir=SECRETS if SECRETS.is_dir() else None)

    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    """the login MONITORING of `servicecert db prepare`; without it the tables are not looked at"""
    database_password_file: Path | None = Field(None, alias="DATABASE_PASSWORD_FILE")
    """a file whose first line is the password, for a DATABASE_URL without one"""
    seconds: float = Field(10.0, alias="SERVICECERT_LAG_SECONDS", ge=0.5, le=300)
    """seconds between two looks"""
    window: int = Field(30, alias="SERVICECERT_LAG_WINDOW", ge=2, le=1_000)
    """how many looks a verdict on a partition is about (ok, behind, stalled, stopped)"""
    groups: Annotated[re.Pattern[str] | None, BeforeValidator(lambda text: text or None)] = Field(
        None, alias="SERVICECERT_LAG_GROUPS"
    )
    """a regular expression of whole names of consumer groups of others that are looked at, too, at most 50; the login
    needs Describe on them
    """
    cluster_name: str = Field("servicecert", alias="SERVICECERT_CLUSTER_NAME")
    """the label cluster_name of the lag's metrics"""

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

    mail: EmailAddress = Field(alias="SERVICECERT_CANARY_MAIL")
    """the address that gets the canary's mails, such as canary@authority.example: a mailbox of its own, which nobody
    reads
    """
    ca_certificates: Path = Field(alias="SERVICECERT_CANARY_CA_CERTIFICATES")
    """a folder of the issuing CAs' certificates, `<CA>.cer` or `<CA>.pem`: the canary's must be signed by one of them
    """
    seconds: int = Field(300, alias="SERVICECERT_CANARY_SECONDS", ge=10, le=86_400)
    """seconds from the start of one run to that of the next"""
    stage_seconds: int = Field(120, alias="SERVICECERT_CANARY_STAGE_SECONDS", ge=1, le=3_600)
    """the longest that a stage of a run may take; then the run has failed"""
    business_id: BusinessId = Field("9900099-0", alias="SERVICECERT_CANARY_BUSINESS_ID")
    """the organisation that the canary applies for"""
    unit: Text = Field("Varmennepalvelun kanarialintu", alias="SERVICECERT_CANARY_UNIT")
    """the long name of its unit, as the registers have it"""
