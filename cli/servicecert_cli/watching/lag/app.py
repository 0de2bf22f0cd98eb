"""The exporter: it looks at Kafka and at the tables again and again, and shows what it saw last."""

import asyncio
import logging
import os
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from time import perf_counter
from typing import Any, NoReturn

import asyncpg
from aiokafka.errors import KafkaError
from faststream import FastStream
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.core.clock import clock_ahead
from servicecert_worker.core.faults import OperatorError, Outage, backoff, error_summary, with_timeout
from servicecert_worker.process.health import Check
from servicecert_worker.process.service import require_broker, standalone
from servicecert_worker.storage import figures
from servicecert_worker.storage.database import CONNECT_SECONDS

from ...admin.lag import meter, read_by
from ..process import Watching
from ..settings import LagSettings
from .metrics import Groups, Tables

log = logging.getLogger(__name__)

_LOOK_SECONDS = 20.0
_READ_SECONDS = 10.0
_AGAIN_SECONDS = 5.0


def app() -> FastStream:
    """Return the exporter that the environment describes. It starts, and shows an outage, also without Kafka."""
    return standalone(Exporter.NAME, Principal.MONITORING, LagSettings, lambda it, _: Exporter(it), _require_admission)


async def _require_admission(settings: LagSettings, principal: Principal) -> None:
    try:
        await require_broker(settings, principal)
    except OperatorError as fault:
        if fault.exit_code != os.EX_UNAVAILABLE:
            raise


class Exporter(Watching):
    """Looks at the groups, and at the tables if there is a login."""

    NAME = "lag"

    def __init__(self, settings: LagSettings) -> None:
        super().__init__()
        self._settings = settings
        self._cluster = settings.cluster
        self._clock = clock_ahead(settings.clock_ahead or timedelta())
        self._groups = Groups(settings.cluster_name, settings.window)
        self._tables = Tables()
        self._told: set[str] = set()
        self.basics.registry.register(self._groups)
        if settings.dsn:
            self.basics.registry.register(self._tables)

    def tasks(self) -> Iterator[Coroutine[Any, Any, NoReturn]]:
        """Yield the looks at Kafka, and those at the tables."""
        yield self._watch_kafka()
        if self._settings.dsn:
            yield self._watch_tables(self._settings.dsn)

    def ready(self) -> Check:
        """Return whether it sees what it looks at."""
        if not self._groups.is_up:
            return False, "Kafka does not answer."
        if self._settings.dsn and (away := [it for it in SERVICES if not self._tables.is_up(it)]):
            return False, f"The tables of {', '.join(away)} cannot be read."
        return True, "Looking."

    async def _watch_kafka(self) -> NoReturn:
        outage = Outage("Kafka")
        async for _ in backoff(longest=_AGAIN_SECONDS):
            try:
                async with meter(self._cluster) as lags:
                    while True:
                        began = perf_counter()
                        looking = lags.look(read_by(SERVICES), self._clock(), CATALOGUE, self._settings.groups)
                        self._groups.take(await with_timeout(_LOOK_SECONDS, looking), perf_counter() - began)
                        outage.ended()
                        await asyncio.sleep(self._settings.seconds)
            except (OperatorError, KafkaError, OSError, TimeoutError) as error:
                self._groups.lose()
                outage.began(error)
        raise AssertionError("The pauses never end.")

    async def _watch_tables(self, url: str) -> NoReturn:
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
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                for service in SERVICES:
                    self._tables.lose(service)
                outage.began(error)
        raise AssertionError("The pauses never end.")

    async def _read(self, connection: "asyncpg.Connection", service: str) -> None:
        """Read a service's figures; show none of a schema that is not of this version or may not be read."""
        began = perf_counter()
        try:
            reading = figures.read(connection, service, self._clock())
            self._tables.take(service, *await with_timeout(_READ_SECONDS, reading))
        except asyncpg.QueryCanceledError:
            # It answers, though not in time.
            self._tables.take(service, {}, perf_counter() - began)
        except asyncpg.SyntaxOrAccessError as error:
            if self._tables.is_up(service) or service not in self._told:
                log.error(
                    "Run `servicecert db migrate` of this version: %s", error_summary(error), extra={"schema": service}
                )
            self._told.add(service)
            self._tables.lose(service)


_SESSION = {
    "application_name": "servicecert-lag",
    # A look takes milliseconds: a locked table, or a slow one, does not withhold the figures of the others.
    "lock_timeout": "500ms",
    "statement_timeout": "4s",
    "default_transaction_read_only": "on",
}
