"""A service as a process: settings, logs, migrations, signals, exit codes."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import asyncpg
import psycopg
from aiokafka.client import AIOKafkaClient
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from ..clock import clock_ahead
from ..decider import Service
from ..faults import OperatorError, is_transient, named, no_broker, pauses, within
from ..kafka.access import over_tls
from ..runtime.worker import Worker
from ..storage import database
from . import logs
from .settings import ProcessSettings, WorkerSettings

log = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005


class ServiceModule(Protocol):
    """What the module `service` of each service offers."""

    NAME: str
    MIGRATIONS: Path

    @property
    def Settings(self) -> type[BaseSettings]: ...  # noqa: N802  -- a class

    @property
    def open_service(self) -> Callable[..., AbstractAsyncContextManager[Service[Any, Any]]]: ...


def run(module: ServiceModule) -> int:
    """Runs a service until it is told to stop (SIGTERM, SIGINT). Answers the exit code; an operator's fault is one sentence on standard error.

    Raises what the service's opening raises, and what is a defect.
    """
    try:
        worker_settings, settings = WorkerSettings(), module.Settings()
    except ValidationError as error:
        print(f"{module.NAME}: {settings_fault(error)}", file=sys.stderr)
        return 78
    stop_at_once()
    calm_collector()
    share_interpreter()
    logs.configure(module.NAME, worker_settings.log_format, worker_settings.log_level)
    code = 0
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_main(module, worker_settings, settings))
    except* OperatorError as group:
        fault = _first(group)
        print(f"{module.NAME}: {fault}", file=sys.stderr)
        code = fault.exit_code
    return code


def stop_at_once() -> None:
    """Lets SIGTERM and SIGINT end the process with 0, until a worker hears them: before it works there is nothing to end in order.

    Without this the first process of a container would not hear them at all, and a supervisor would take the end for a failure.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def calm_collector() -> None:
    """Leaves what is loaded by now out of garbage collection, and collects what lives on less often: a worker's values are young or frozen."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def share_interpreter() -> None:
    """Lets a thread that comes back from arithmetic, as from each signature, have the interpreter soon.

    By default it waits 5 ms for a thread that examines or decides, longer than the arithmetic takes: acts would stand still for as long as a turn is
    examined.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)


def settings_fault(error: ValidationError) -> str:
    """Which environment variables are missing or wrong, without their values."""
    return "; ".join(
        f"set {fault['loc'][0]}"
        if fault["type"] == "missing"
        else ": ".join((*map(str, fault["loc"][:1]), fault["msg"].removeprefix("Value error, ")))
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    )


def configuration(*settings: BaseSettings) -> dict[str, object]:
    """What the audit chain says of the settings: of each by its variable a digest of the value, which tells that it changed and not what it is."""
    values = {
        field.alias or name.upper(): getattr(of, name)
        for of in settings
        for name, field in type(of).model_fields.items()
    }
    return {"settings": {name: sha256(str(value).encode()).hexdigest()[:16] for name, value in sorted(values.items())}}


async def _main(module: ServiceModule, worker_settings: WorkerSettings, settings: BaseSettings) -> None:
    url = worker_settings.database_url.get_secret_value()
    ahead = worker_settings.clock_ahead or timedelta()
    if ahead:
        log.warning("The clock runs %s ahead of the machine's, by SERVICECERT_CLOCK_AHEAD: never in production", ahead)
    clock = clock_ahead(ahead)
    pool = await _prepared(module, worker_settings, url)
    try:
        async with module.open_service(settings, pool, clock) as service:
            worker = Worker(service, worker_settings, pool, clock, configuration(worker_settings, settings))
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, worker.stop)
            await worker.run()
    finally:
        pool.terminate()


async def _prepared(module: ServiceModule, settings: WorkerSettings, url: str) -> asyncpg.Pool[Any]:
    """Waits for broker and database, as long as the patience lasts, and brings the schema up to date.

    Raises `OperatorError` when the patience is over, or for what no waiting mends.
    """
    until = monotonic() + settings.patience_seconds
    async for number in pauses(first=0.2, longest=2.0):
        fault = await broker_fault(settings) or await _database_fault(url)
        if fault is None:
            try:
                await asyncio.to_thread(database.migrate, url, module.NAME, [module.MIGRATIONS])
                return await database.open_pool(url, module.NAME)
            except Exception as error:
                if not (is_transient(error) or isinstance(error, psycopg.OperationalError)):
                    raise
                log.debug("PostgreSQL: %s", named(error))
                fault = database.database_refused(url, "")
        if fault.exit_code != 69 or monotonic() > until:
            raise fault
        if number == 0:
            log.warning("Waiting: %s", fault)
    raise AssertionError("The pauses never end.")


async def broker_fault(settings: ProcessSettings) -> OperatorError | None:
    """What to tell an operator where no broker answers there, None where one does."""
    client = AIOKafkaClient(**settings.to(settings.bootstrap_servers))
    try:
        await within(5, client.bootstrap())
    except Exception as error:
        if not is_transient(error) and not isinstance(error, ValueError):
            raise
        return no_broker(settings.bootstrap_servers, settings)
    finally:
        await client.close()
    return None


async def _database_fault(url: str) -> OperatorError | None:
    try:
        connection = await asyncpg.connect(url, timeout=database.CONNECT_SECONDS)
    except Exception as error:
        log.debug("PostgreSQL: %s", named(error))
        return database.database_refused(url, str(error))
    connection.terminate()
    return None


def _first(group: BaseExceptionGroup[OperatorError]) -> OperatorError:
    error: OperatorError | BaseExceptionGroup[OperatorError] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop that processes run on; None for asyncio's own."""
    if sys.platform == "win32" or over_tls():
        return None
    import uvloop

    return uvloop.new_event_loop
