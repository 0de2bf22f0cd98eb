"""A service as an application: settings, broker and subscriber at import, database, keys and worker when it runs.

And other processes: the OCSP responder, and what watches the system.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar

import asyncpg
from aiokafka.client import AIOKafkaClient
from faststream import FastStream
from pydantic_settings import BaseSettings
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import Topic

from ..core.clock import clock_ahead
from ..core.crash_points import ARMED
from ..core.decider import Service
from ..core.faults import OperatorError, backoff, error_summary, is_transient, with_timeout
from ..kafka.broker import Broker
from ..kafka.clients import broker_refused
from ..kafka.gathering import Gathering
from ..kafka.rights import require_rights
from ..kafka.source import Source
from ..runtime.environment import read, read_all
from ..runtime.members import member_name
from ..runtime.settings import Insecure, ProcessSettings, WorkerSettings, check_secret_files
from ..runtime.worker import Worker
from ..storage import admission, database
from ..storage.database import KnownDatabase, require_private
from .application import Application, Runnable, Unusable, configuration, exit_at_once_until_it_runs

log = logging.getLogger(__name__)
S = TypeVar("S", bound=ProcessSettings)
T = TypeVar("T")

_BROKER_SECONDS = 5.0


class ServiceModule(Protocol):
    """The interface of each service's module `service`."""

    NAME: str
    MIGRATIONS: Path

    @property
    def READS(self) -> tuple[Topic, ...]: ...  # noqa: N802  -- a constant

    @property
    def PATIENT(self) -> tuple[Topic, ...]:  # noqa: N802  -- a constant
        """The topics of `READS` that nobody waits for: their records gather longer."""

    @property
    def Settings(self) -> type[BaseSettings]: ...  # noqa: N802  -- a class

    @property
    def open_service(self) -> Callable[..., AbstractAsyncContextManager[Service[Any, Any]]]: ...


def application(module: ServiceModule, subscribe: Callable[[Broker, Source], None]) -> FastStream:
    """Return the service as a FastStream application, with settings from the environment.

    `subscribe` registers its one subscriber, on all topics that it reads. Invalid settings are reported when it runs.
    """
    exit_at_once_until_it_runs()
    try:
        settings: WorkerSettings
        settings, own = read_all(WorkerSettings, module.Settings)
    except OperatorError as error:
        return Unusable(module.NAME, error)
    cluster = settings.cluster
    broker = Broker(cluster, member_name(cluster.group(module.NAME)))
    source = Source(
        broker,
        [cluster.name(topic) for topic in module.READS],
        cluster.group(module.NAME),
        settings.session_seconds,
        2 * settings.batch,
        Gathering(cluster.name(topic) for topic in module.PATIENT),
    )
    subscribe(broker, source)

    @asynccontextmanager
    async def opened() -> AsyncIterator["Worker[Any, Any]"]:
        ahead = settings.clock_ahead or timedelta()
        if ahead:
            log.warning("SERVICECERT_CLOCK_AHEAD is set: remove it in production", extra={"ahead": str(ahead)})
        clock = clock_ahead(ahead)
        check_secret_files(settings, own)
        known = KnownDatabase()
        pool = await waited_for(settings, partial(_prepared, module, settings, known))
        try:
            async with module.open_service(own, pool, clock) as service:
                if service.oversight.holds_production_keys:
                    refuse_trials(settings)
                    if Insecure.DATABASE not in settings.insecure:
                        require_private(settings.dsn)
                yield Worker(service, settings, pool, known, broker, source, clock, configuration(settings, own))
        finally:
            pool.terminate()

    return Application(module.NAME, settings, broker, opened)


async def _prepared(module: ServiceModule, settings: WorkerSettings, known: KnownDatabase) -> asyncpg.Pool:
    """Return the database pool if Kafka and PostgreSQL answer and the schema is migrated. Raises `OperatorError`."""
    url = settings.dsn
    await require_broker(settings, module.NAME)
    try:
        await admission.check(url, module.NAME, [module.MIGRATIONS])
        if Insecure.RIGHTS not in settings.insecure:
            await admission.require_least_rights(url, module.NAME)
        return await database.open_pool(url, module.NAME, known=known)
    except Exception as error:
        if not is_transient(error):
            raise
        log.debug("PostgreSQL failed during the start", extra={"error": error_summary(error)})
        raise database.database_refused(url, error) from None


async def waited_for(settings: ProcessSettings, attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what `attempt` returns. Raises its `OperatorError` if waiting does not help, or patience has an end."""
    until = monotonic() + settings.patience_seconds
    async for number in backoff(first=0.2, longest=2.0):
        try:
            return await attempt()
        except OperatorError as fault:
            if fault.exit_code != 69 or monotonic() > until:
                raise
            if number == 0:
                log.warning("Waiting: %s", fault)
    raise AssertionError("The pauses never end.")


async def wait_for_broker(settings: ProcessSettings, principal: Principal) -> None:
    """Return once a broker answers and is safe. Raises `OperatorError` if none answers within `patience_seconds`."""
    await waited_for(settings, partial(require_broker, settings, principal))


def standalone(
    name: str,
    principal: Principal,
    kind: type[S],
    process_of: Callable[[S, Broker], Runnable],
    admitted: Callable[[S, Principal], Awaitable[None]] = wait_for_broker,
) -> FastStream:
    """Return a process that is no service as a FastStream application, with settings from the environment.

    `admitted` raises OperatorError for a broker that it cannot work with. Invalid settings are reported when it runs.
    """
    exit_at_once_until_it_runs()
    try:
        settings = read(kind)
        broker = Broker(settings.cluster, name)
        process = process_of(settings, broker)
    except OperatorError as error:
        return Unusable(name, error)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Runnable]:
        check_secret_files(settings)
        await admitted(settings, principal)
        yield process

    return Application(name, settings, broker, opened)


async def require_broker(settings: ProcessSettings, principal: str) -> None:
    """Raise `OperatorError` if no broker answers, with exit code 69, or if it is not safe (F4)."""
    cluster, tolerated = settings.cluster, settings.insecure
    is_encrypted = cluster.access.security_protocol.is_encrypted
    if not is_encrypted and Insecure.BROKER not in tolerated:
        raise OperatorError(
            f"Kafka would be reached in the clear ({cluster.access.security_protocol}), where others can forge orders: "
            "set KAFKA_SECURITY_PROTOCOL=SASL_SSL or SSL, or for a trial SERVICECERT_INSECURE=broker."
        )
    client = AIOKafkaClient(**cluster.client)
    try:
        await with_timeout(_BROKER_SECONDS, client.bootstrap())
        # In the clear nobody has an identity, and so nobody has rights of its own.
        if is_encrypted and Insecure.RIGHTS not in tolerated:
            await with_timeout(_BROKER_SECONDS, require_rights(client, cluster, Principal(principal)))
    except Exception as error:
        if not is_transient(error) and not isinstance(error, ValueError):
            raise
        raise await broker_refused(cluster) from None
    finally:
        await client.close()


def refuse_trials(settings: ProcessSettings) -> None:
    """Raise OperatorError if the clock runs ahead or the process is to be killed at a step."""
    for variable, is_set in (("SERVICECERT_CLOCK_AHEAD", settings.clock_ahead), ("SERVICECERT_DIE_AT", ARMED)):
        if is_set:
            raise OperatorError(
                f"{variable} is for trials, and this CA is none: remove it, or use a CA made by `servicecert ca init`."
            )
