"""Settings, from environment variables."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from ..kafka.access import KafkaAccess
from ..kafka.cluster import Cluster
from ..runtime.parking import MOST_KEPT

SECRETS = Path("/run/servicecert")
"""The folder of secrets that a container is given as files, each named as its variable."""


def _seconds(duration: object) -> object:
    """Return a plain number as seconds, anything else unchanged."""
    return int(duration) if isinstance(duration, str) and duration.isascii() and duration.isdigit() else duration


class ProcessSettings(KafkaAccess):
    """The settings of every process that reads from Kafka, by environment variable (alias)."""

    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS", description="the brokers, as host:port,…")]
    topic_prefix: Annotated[
        str,
        Field(
            alias="SERVICECERT_TOPIC_PREFIX",
            pattern=r"^[a-zA-Z0-9._-]{0,40}$",
            description="before the name of every topic and group, so that installations share a cluster",
        ),
    ] = ""
    health_host: Annotated[
        str, Field(alias="SERVICECERT_HEALTH_HOST", description="the address that serves /live, /ready and /metrics")
    ] = "127.0.0.1"
    health_port: Annotated[
        int, Field(alias="SERVICECERT_HEALTH_PORT", ge=0, le=65_535, description="its port; 0 takes any free one")
    ] = 0
    health_file: Annotated[
        Path | None, Field(alias="SERVICECERT_HEALTH_FILE", description="a file that the bound host:port is written to")
    ] = None
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Field(alias="SERVICECERT_LOG_FORMAT", description="json, text, or auto: text on a terminal, json elsewhere"),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(alias="SERVICECERT_LOG_LEVEL", description="debug, info, warning or error"),
    ] = "info"
    patience_seconds: Annotated[
        float,
        Field(
            alias="SERVICECERT_PATIENCE_SECONDS", ge=0, description="seconds to wait for broker and database at start"
        ),
    ] = 30.0
    clock_ahead: Annotated[
        Annotated[timedelta, Field(ge=timedelta(), le=timedelta(days=36_500))] | None,
        BeforeValidator(_seconds),
        Field(
            alias="SERVICECERT_CLOCK_AHEAD",
            description="for tests and demonstrations only: how far the worker's clock runs ahead of the machine's, "
            "as an ISO 8601 duration such as P184D, or in seconds",
        ),
    ] = None

    @property
    def cluster(self) -> Cluster:
        """The cluster that these settings name."""
        return Cluster(self.bootstrap_servers, self.topic_prefix, self)


class WorkerSettings(ProcessSettings):
    """The settings of every service. `DATABASE_URL` may also be a file of that name in SECRETS."""

    model_config = SettingsConfigDict(secrets_dir=SECRETS if SECRETS.is_dir() else None)

    database_url: Annotated[
        SecretStr,
        Field(
            alias="DATABASE_URL", description="the service's own role, as postgresql://user:password@host:port/database"
        ),
    ]
    batch: Annotated[
        int, Field(alias="SERVICECERT_BATCH", ge=1, le=500, description="the most records that one turn takes")
    ] = 200
    session_seconds: Annotated[
        float,
        Field(alias="SERVICECERT_SESSION_SECONDS", ge=1, le=60, description="Kafka session timeout in seconds"),
    ] = 6.0
    inbox_days: Annotated[
        int,
        Field(
            alias="SERVICECERT_INBOX_DAYS",
            ge=1,
            description="days that handled event ids are kept: longer than any topic is kept or replayed",
        ),
    ] = 100
    parked_most: Annotated[
        int,
        Field(
            alias="SERVICECERT_PARKED_MOST",
            ge=0,
            description="the most parked records that are kept whole; of further ones the value stays in Kafka only",
        ),
    ] = MOST_KEPT
    audit_key_file: Annotated[
        Path | None,
        Field(
            alias="SERVICECERT_AUDIT_KEY_FILE",
            description="the Ed25519 key that signs the audit's checkpoints (`servicecert audit init`): "
            "out of reach for the database's administrators. Without it none is signed",
        ),
    ] = None
    audit_seconds: Annotated[
        float,
        Field(alias="SERVICECERT_AUDIT_SECONDS", gt=0, le=3600, description="seconds between two such checkpoints"),
    ] = 60.0
    stall_seconds: Annotated[
        float,
        Field(alias="SERVICECERT_STALL_SECONDS", ge=1, description="seconds without progress until the process ends"),
    ] = 60.0
