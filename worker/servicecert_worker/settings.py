"""What a worker is told from outside, by environment variables."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """The settings of every service. The names in the environment are given as aliases."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    bootstrap_servers: Annotated[str, Field(alias="KAFKA_BOOTSTRAP_SERVERS", description="Kafka, as host:port,…")]
    database_url: Annotated[SecretStr, Field(alias="DATABASE_URL", description="The service's own PostgreSQL role")]
    topic_prefix: Annotated[
        str,
        Field(
            alias="SERVICECERT_TOPIC_PREFIX",
            pattern=r"^[a-zA-Z0-9._-]{0,40}$",
            description="before the name of every topic and group, so that installations share a cluster",
        ),
    ] = ""
    health_host: Annotated[str, Field(alias="SERVICECERT_HEALTH_HOST")] = "127.0.0.1"
    health_port: Annotated[int, Field(alias="SERVICECERT_HEALTH_PORT", ge=0, le=65_535, description="0: any")] = 0
    health_file: Annotated[
        Path | None, Field(alias="SERVICECERT_HEALTH_FILE", description="where the bound address is written")
    ] = None
    log_format: Annotated[Literal["auto", "json", "text"], Field(alias="SERVICECERT_LOG_FORMAT")] = "auto"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(alias="SERVICECERT_LOG_LEVEL")] = "info"
    batch: Annotated[int, Field(alias="SERVICECERT_BATCH", ge=1, le=500)] = 200
    session_seconds: Annotated[
        float, Field(alias="SERVICECERT_SESSION_SECONDS", ge=1, le=60, description="until a dead worker is missed")
    ] = 6.0
    patience_seconds: Annotated[
        float, Field(alias="SERVICECERT_PATIENCE_SECONDS", ge=0, description="waiting for broker and database at start")
    ] = 30.0
    inbox_days: Annotated[
        int, Field(alias="SERVICECERT_INBOX_DAYS", ge=1, description="longer than any topic is kept or replayed")
    ] = 100
    stall_seconds: Annotated[
        float, Field(alias="SERVICECERT_STALL_SECONDS", ge=1, description="without progress, until the process ends")
    ] = 60.0
