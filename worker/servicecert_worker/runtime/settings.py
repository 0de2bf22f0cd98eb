"""Settings, from environment variables: see environment.py, which reads them.

The files of secrets that they name are checked before a process starts.
"""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..core.access import KafkaAccess
from ..core.faults import OperatorError
from ..core.secret_files import SecretUnreadable, read_secret, require_private
from ..kafka.cluster import Cluster
from ..storage.database import with_password
from ..storage.database_url import fault_of
from .parking import MOST_KEPT


class Insecure(StrEnum):
    """An unsafe surrounding in which a process refuses to start unless it is told to tolerate it."""

    BROKER = "broker"
    """The broker is reached in the clear."""
    DATABASE = "database"
    """The database is reached in the clear."""
    RIGHTS = "rights"
    """Broker or database allow more than the process needs."""


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


MOST_PORT = 65_535
SECRETS = Path("/run/servicecert")
"""The folder of secrets that a container is given as files, each named as its variable."""


def _seconds(duration: object) -> object:
    return int(duration) if isinstance(duration, str) and duration.isascii() and duration.isdigit() else duration


def _addresses(text: str) -> str:
    for each in text.split(","):
        host, _, port = each.strip().rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:9]) <= MOST_PORT:
            raise ValueError("write it as host:port, several with commas between")
    return text


class ClusterSettings(KafkaAccess):
    """Where Kafka is, and the names in it."""

    bootstrap_servers: Annotated[str, AfterValidator(_addresses)] = Field(alias="KAFKA_BOOTSTRAP_SERVERS")
    """the brokers, as host:port,…"""
    topic_prefix: str = Field("", alias="SERVICECERT_TOPIC_PREFIX", pattern=r"^[a-zA-Z0-9._-]{0,40}$")
    """before the name of every topic and group, so that installations share a cluster"""

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.bootstrap_servers, self.topic_prefix, self)


class ProcessSettings(ClusterSettings):
    """The settings of every process, by environment variable (alias)."""

    health_host: str = Field("127.0.0.1", alias="SERVICECERT_HEALTH_HOST")
    """the address that serves /live, /ready and /metrics"""
    health_port: int = Field(0, alias="SERVICECERT_HEALTH_PORT", ge=0, le=MOST_PORT)
    """its port; 0 takes any free one"""
    health_file: Path | None = Field(None, alias="SERVICECERT_HEALTH_FILE")
    """a file that the bound host:port is written to"""
    log_format: Literal["auto", "json", "text"] = Field("auto", alias="SERVICECERT_LOG_FORMAT")
    """json, text, or auto: text on a terminal, json elsewhere"""
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="SERVICECERT_LOG_LEVEL")
    """debug, info, warning or error"""
    patience_seconds: float = Field(30.0, alias="SERVICECERT_PATIENCE_SECONDS", ge=0)
    """seconds to wait for broker and database at start"""
    insecure: Annotated[frozenset[Insecure], NoDecode, BeforeValidator(_listed)] = Field(
        frozenset(), alias="SERVICECERT_INSECURE"
    )
    """for trials only, any of broker, database, rights: what is tolerated, of a broker or a database in the clear, and
    of rights wider than needed. Without it such a process refuses to start
    """
    clock_ahead: Annotated[
        Annotated[timedelta, Field(ge=timedelta(), le=timedelta(days=36_500))] | None, BeforeValidator(_seconds)
    ] = Field(None, alias="SERVICECERT_CLOCK_AHEAD")
    """for tests and demonstrations only: how far the worker's clock runs ahead of the machine's, as an ISO 8601
    duration such as P184D, or in seconds
    """


class ReaderSettings(ProcessSettings):
    """The settings of every process that acts on what it reads from Kafka."""

    service_keys: Path = Field(alias="SERVICECERT_SERVICE_KEYS")
    """the folder of the services' public keys (`<service>.pub`, several as `<service>-….pub`): what none of a writer's
    keys has signed is parked
    """
    clock_limit_seconds: float = Field(60, alias="SERVICECERT_CLOCK_LIMIT_SECONDS", ge=1, le=120)
    """seconds that the machine's clock may differ from PostgreSQL's, or an OCSP responder's from the revoker's, until
    nothing is decided or signed
    """


def _readable(url: SecretStr | None) -> SecretStr | None:
    if url is not None and (wrong := fault_of(url.get_secret_value())) is not None:
        raise ValueError(wrong)
    return url


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL is, if it is used at all. `DATABASE_URL` may also be a file of that name in SECRETS."""

    model_config = SettingsConfigDict(
        frozen=True,
        populate_by_name=True,
        extra="ignore",
        env_ignore_empty=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    database_url: Annotated[SecretStr | None, AfterValidator(_readable)] = Field(None, alias="DATABASE_URL")
    """the process's own role, as postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE"""
    database_password_file: Path | None = Field(None, alias="DATABASE_PASSWORD_FILE")
    """a file whose first line is the password, for a DATABASE_URL without one"""

    @model_validator(mode="after")
    def _password_is_readable(self) -> Self:
        _ = self.dsn
        return self

    @cached_property
    def dsn(self) -> str:
        """The database's URL with its password, which is read once; empty without a database."""
        if self.database_url is None:
            return ""
        url, file = self.database_url.get_secret_value(), self.database_password_file
        try:
            return url if file is None else with_password(url, read_secret(file))
        except SecretUnreadable as fault:
            raise ValueError(f"DATABASE_PASSWORD_FILE: {fault}") from None


class WorkerSettings(ReaderSettings, DatabaseSettings):
    """The settings of every service."""

    database_url: Annotated[SecretStr, AfterValidator(_readable)] = Field(alias="DATABASE_URL")
    """the service's own role, as postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE"""
    batch: int = Field(200, alias="SERVICECERT_BATCH", ge=1, le=500)
    """the most records that one turn takes"""
    session_seconds: float = Field(6.0, alias="SERVICECERT_SESSION_SECONDS", ge=1, le=60)
    """Kafka session timeout in seconds"""
    inbox_days: int = Field(100, alias="SERVICECERT_INBOX_DAYS", ge=1)
    """days that handled event ids are kept: longer than any topic is kept or replayed"""
    parked_most: int = Field(MOST_KEPT, alias="SERVICECERT_PARKED_MOST", ge=0)
    """the most parked records that are kept whole; of further ones the value stays in Kafka only"""
    service_key_file: Path = Field(alias="SERVICECERT_SERVICE_KEY_FILE")
    """the service's own Ed25519 key (`servicecert service-keys`), which signs its events and the audit's checkpoints:
    for this service only, and out of reach for the database's administrators
    """
    audit_seconds: float = Field(60.0, alias="SERVICECERT_AUDIT_SECONDS", gt=0, le=3600)
    """seconds between two such checkpoints"""
    stall_seconds: float = Field(60.0, alias="SERVICECERT_STALL_SECONDS", ge=1)
    """seconds without progress until the process ends"""


PUBLIC = ("_AUTHORITY_FILE", "_CA_FILE", "_CERTIFICATE_FILE", "_HEALTH_FILE")
"""How the names of settings end whose files hold no secret. Any other `_FILE` does."""


def names_secret(setting: str) -> bool:
    """Return whether a setting names a file of secrets."""
    return setting.endswith("_FILE") and not setting.endswith(PUBLIC)


def check_secret_files(*settings: BaseSettings) -> None:
    """Check the mode of each file of secrets that settings name, or come from. Raises `OperatorError`."""
    for each in settings:
        for name, path in _secret_files(each):
            try:
                require_private(path)
            except SecretUnreadable as fault:
                raise OperatorError(f"{name}: {fault}.") from None


def _secret_files(settings: BaseSettings) -> Iterator[tuple[str, Path]]:
    folder = settings.model_config.get("secrets_dir")
    for name, field in type(settings).model_fields.items():
        setting, value = field.alias or name.upper(), getattr(settings, name)
        if isinstance(value, Path) and names_secret(setting):
            yield setting, value
        if isinstance(folder, str | Path):
            yield setting, Path(folder, setting)
