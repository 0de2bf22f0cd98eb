"""Kafka and PostgreSQL for one run: those that the environment names, or our own."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from .kafka import Kafka, Secured
from .postgres import DatabaseTls, Postgres
from .reports import Report, silent

KAFKA_BOOTSTRAP_SERVERS = "KAFKA_BOOTSTRAP_SERVERS"
DATABASE_URL = "DATABASE_URL"


@dataclass(frozen=True)
class Parts:
    """Addresses, and the started servers: None if the environment names one.

    `bootstrap` is `host:port[,…]`, `database_url` a PostgreSQL URL of a role that may create schemas and roles.
    """

    bootstrap: str
    database_url: str
    kafka: Kafka | None
    postgres: Postgres | None

    @property
    def environment(self) -> dict[str, str]:
        return {KAFKA_BOOTSTRAP_SERVERS: self.bootstrap, DATABASE_URL: self.database_url}

    def stop(self) -> None:
        """Stop what was started, and delete its data."""
        for part in (self.kafka, self.postgres):
            if part is not None:
                # A clean stop takes longer, and nobody reads the data again.
                part.kill()
                part.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_parts(
    *,
    environment: Mapping[str, str] = os.environ,
    report: Report = silent,
    settings: Mapping[str, str] = {},
    secured: Secured | None = None,
    tls: DatabaseTls | None = None,
) -> Parts:
    """Start what `environment` does not name, both at once, and return when both answer.

    `report` gets a line for each step, from any thread. `settings` are added to PostgreSQL's, `secured` is what the
    broker is started with, `tls` what PostgreSQL is. Raises MissingPart, TamperedJar, StartFailed; then nothing is left
    running.
    """
    bootstrap, url = environment.get(KAFKA_BOOTSTRAP_SERVERS), environment.get(DATABASE_URL)
    kafka = None if bootstrap else Kafka(secured=secured, report=report)
    postgres = None if url else Postgres(settings=settings, tls=tls, report=report)
    parts = [part for part in (kafka, postgres) if part is not None]
    try:
        with ThreadPoolExecutor(2) as pool:
            starts = [pool.submit(part.start) for part in parts]
        for start in starts:
            start.result()
    except BaseException:
        for part in parts:
            part.stop()
        raise
    return Parts(
        bootstrap=kafka.bootstrap if kafka else str(bootstrap),
        database_url=postgres.url if postgres else str(url),
        kafka=kafka,
        postgres=postgres,
    )
