"""The exporter's settings, from environment variables that are named by the aliases."""

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict
from servicecert_worker.process.secret_files import SecretUnreadable, read_secret
from servicecert_worker.process.settings import SECRETS, ProcessSettings
from servicecert_worker.storage.database import with_password


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
    database_password_file: Annotated[
        Path | None,
        Field(
            alias="DATABASE_PASSWORD_FILE",
            description="a file whose first line is the password, for a DATABASE_URL without one",
        ),
    ] = None
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
        """The database's URL with its password. Raises SecretUnreadable."""
        if self.database_url is None:
            return None
        url = self.database_url.get_secret_value()
        return (
            url if self.database_password_file is None else with_password(url, read_secret(self.database_password_file))
        )

    @field_validator("database_password_file")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        try:
            if path is not None:
                read_secret(path)
        except SecretUnreadable as fault:
            raise ValueError(str(fault)) from None
        return path
