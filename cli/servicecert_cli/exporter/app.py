"""The exporter as an application: it looks at Kafka and at the tables again and again, and shows what it saw last."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError
from faststream import FastStream
from pydantic import ValidationError
from servicecert_schemas.principals import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.core.clock import clock_ahead
from servicecert_worker.core.faults import (
    OperatorError,
    Outage,
    backoff,
    error_summary,
    guard_cancellation,
    with_timeout,
)
from servicecert_worker.core.secret_settings import check_secret_files
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.lag import LagMeter, read_by
from servicecert_worker.process.application import Application, Unusable, exit_at_once_until_it_runs
from servicecert_worker.process.health import Check
from servicecert_worker.process.service import broker_fault
from servicecert_worker.runtime.metrics import Basics
from servicecert_worker.storage import figures
from servicecert_worker.storage.database import CONNECT_SECONDS

from ..connections import kafka
from .groups import Groups
from .settings import Settings
from .tables import Tables

log = logging.getLogger(__name__)

NAME = "lag"

_LOOK_SECONDS = 20.0
_READ_SECONDS = 10.0
_AGAIN_SECONDS = 5.0


def app() -> FastStream:
    """Return the exporter that the environment describes. It starts, and shows an outage, also without Kafka."""
    exit_at_once_until_it_runs()
    try:
        settings = Settings()
    except ValidationError as error:
        return Unusable(NAME, error)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Exporter]:
        check_secret_files(settings)
        fault = await broker_fault(settings, Principal.MONITORING)
        if fault is not None and fault.exit_code != os.EX_UNAVAILABLE:
            raise fault
        yield Exporter(settings, clock_ahead(settings.clock_ahead or timedelta()))

    return Application(NAME, settings, Broker(settings.cluster, NAME), opened)


class Exporter:
    """All parts of the exporter, from start to end."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._cluster = settings.cluster
        self._clock = clock
        self._basics = Basics(NAME)
        self._groups = Groups(settings.cluster_name, settings.window)
        self._tables = Tables()
        self._told: set[str] = set()
        self._basics.registry.register(self._groups)
        if settings.dsn is not None:
            self._basics.registry.register(self._tables)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Look until the context ends."""
        async with asyncio.TaskGroup() as group:
            looking = [group.create_task(guard_cancellation(self._watch_kafka()))]
            if self._settings.dsn is not None:
                looking.append(group.create_task(guard_cancellation(self._watch_tables(self._settings.dsn))))
            yield
            for each in looking:
                each.cancel()

    async def finish(self) -> None:
        """Return at once: nothing is lost by stopping."""

    def live(self) -> Check:
        """Return True: a process that answers is alive."""
        return True, "Alive."

    def ready(self) -> Check:
        """Return whether it sees what it looks at."""
        if not self._groups.is_up:
            return False, "Kafka does not answer."
        if self._settings.dsn is not None and (away := [name for name, up in self._tables.up.items() if not up]):
            return False, f"The tables of {', '.join(away)} cannot be read."
        return True, "Looking."

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        self._basics.ready.labels(NAME).set(self.ready()[0])
        return self._basics.text()

    async def _watch_kafka(self) -> None:
        outage = Outage("Kafka")
        async for _ in backoff(longest=_AGAIN_SECONDS):
            try:
                async with kafka.admin(self._cluster) as admin, kafka.reader(self._cluster) as reader:
                    meter = LagMeter(admin, reader, self._cluster.prefix)
                    while True:
                        began = perf_counter()
                        looking = meter.look(read_by(SERVICES), self._clock(), CATALOGUE, self._settings.foreign)
                        self._groups.take(await with_timeout(_LOOK_SECONDS, looking), perf_counter() - began)
                        outage.ended()
                        await asyncio.sleep(self._settings.seconds)
            except (OperatorError, KafkaError, OSError, TimeoutError) as error:
                self._groups.lose()
                outage.began(error)

    async def _watch_tables(self, url: str) -> None:
        outage = Outage("PostgreSQL")
        async for _ in backoff(longest=_AGAIN_SECONDS):
            try:
                connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=_SESSION)
                try:
                    while True:
                        for service in SERVICES:
                            await self._read(connection, service)
                        locks = await with_timeout(_READ_SECONDS, figures.held_locks(connection))
                        self._tables.take_locks(locks, perf_counter())
                        outage.ended()
                        await asyncio.sleep(self._settings.seconds)
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                for service in SERVICES:
                    self._tables.lose(service)
                outage.began(error)

    async def _read(self, connection: "asyncpg.Connection[Any]", service: str) -> None:
        """Read a service's figures; show none of a schema that is not of this version or may not be read."""
        began = perf_counter()
        try:
            samples, seconds = await with_timeout(_READ_SECONDS, figures.read(connection, service, self._clock()))
        except asyncpg.QueryCanceledError:
            # It answers, though not in time.
            self._tables.take(service, {}, perf_counter() - began)
        except asyncpg.SyntaxOrAccessError as error:
            if self._tables.up[service] or service not in self._told:
                log.error(
                    "Run `servicecert db migrate` of this version: %s", error_summary(error), extra={"schema": service}
                )
            self._told.add(service)
            self._tables.lose(service)
        else:
            self._tables.take(service, samples, seconds)


_SESSION = {
    "application_name": "servicecert-lag",
    # A look takes milliseconds: a locked table, or a slow one, does not withhold the figures of the others.
    "lock_timeout": "500ms",
    "statement_timeout": "4s",
    "default_transaction_read_only": "on",
}
