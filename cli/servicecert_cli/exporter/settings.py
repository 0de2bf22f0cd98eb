"""The exporter's settings, from environment variables that are named by the aliases."""

import re
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from servicecert_worker.runtime.settings import SECRETS, PasswordFile, ProcessSettings, dsn_of


class Settings(ProcessSettings):
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
        str,
        Field(
            alias="SERVICECERT_LAG_GROUPS",
            description="a regular expression of whole names of consumer groups of others that are looked at, too, at "
            "most 50; the login needs Describe on them",
        ),
    ] = ""
    cluster_name: Annotated[
        str,
        Field(alias="SERVICECERT_CLUSTER_NAME", description="the label cluster_name of the lag's metrics"),
    ] = "servicecert"

    @field_validator("groups")
    @classmethod
    def _pattern(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as fault:
            raise ValueError(f"is no regular expression: {fault}") from None
        return text

    @property
    def foreign(self) -> re.Pattern[str] | None:
        return re.compile(self.groups) if self.groups else None

    @cached_property
    def dsn(self) -> str | None:
        """The database's URL with its password, which is read once."""
        return None if self.database_url is None else dsn_of(self.database_url, self.database_password_file)

    @model_validator(mode="after")
    def _password_is_readable(self) -> Self:
        _ = self.dsn
        return self
