"""Our processes as FastStream applications: the base of the four services and of the OCSP responder.

FastStream provides startup and shutdown, subscribers, and its command line. Added here: sentences and exit codes for
operators, shutdown at any moment, and `/live`, `/ready`, `/metrics`, `/asyncapi.json`.
"""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from hashlib import sha256
from typing import Any, NoReturn, Protocol

import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic_settings import BaseSettings

from ..core.access import over_tls
from ..core.faults import OperatorError, background, error_trace, first_of, operator_message
from ..observe import logs
from ..runtime.environment import warn_of_unknown_variables
from ..runtime.settings import ProcessSettings
from .health import Contract, HealthSource, serve

log = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005
_SETTLED_SECONDS, _COLLECT_SECONDS = 60.0, 60.0
_READY_SECONDS = 0.1


class Runnable(HealthSource, Protocol):
    """What an application runs besides its subscribers."""

    def working(self) -> AbstractAsyncContextManager[None]:
        """Run all background tasks until the context ends. The error of one that fails ends the application."""

    async def finish(self) -> None:
        """Finish work in progress, before the subscribers stop."""


OpenRunnable = Callable[[], AbstractAsyncContextManager[Runnable]]


class Application(FastStream):
    """A FastStream application for `faststream run --factory` or `run` below, with the same sentences and exit codes.

    `opened` creates its parts when it runs, after it has waited for Kafka and PostgreSQL.
    """

    def __init__(self, name: str, settings: ProcessSettings, broker: KafkaBroker, opened: OpenRunnable) -> None:
        self._running: Runnable | None = None
        self._ending = asyncio.Event()
        self._code = 0

        @asynccontextmanager
        async def lifespan(worker_id: int | None = None) -> AsyncIterator[None]:
            """Run the parts. `worker_id` is FastStream's number of a process: each has a health port of its own."""
            logs.configure(name, settings.log_format, settings.log_level)
            warn_of_unknown_variables()
            _tune_interpreter()
            async with opened() as running, serve(running, settings, worker_id or 0) as address:
                log.info("Started", extra={"health_address": address})
                async with running.working(), background(report_alive()), background(collect_garbage()):
                    self._running = running
                    yield
                    notify("STOPPING=1")

        super().__init__(
            broker,
            logger=None,
            lifespan=lifespan,
            specification=Contract(),
            after_startup=[self._report_ready],
            on_shutdown=[self._finish],
        )
        self.name = name

    async def run(self, log_level: int = logging.INFO, run_extra_options: Any = None, sleep_time: float = 0) -> None:
        """Run until SIGTERM, SIGINT or `exit`. Raises SystemExit on failure, after a sentence on standard error."""
        del log_level, sleep_time
        try:
            await self._run(run_extra_options or {})
        except Exception as error:
            self._code = report_exit(self.name, error)
            # Leave the consumer group, so that the others need not wait for the session timeout.
            with suppress(Exception):
                await asyncio.gather(*(broker.stop() for broker in self.brokers))
        if over_tls() and "uvloop" in type(asyncio.get_running_loop()).__module__:
            # FastStream's command line uses uvloop, where a TLS connection can keep the loop from ending for minutes.
            sys.stderr.flush()
            os._exit(self._code)
        if self._code:
            raise SystemExit(self._code)

    async def _run(self, options: Mapping[str, Any]) -> None:
        """Do what FastStream's `run` does, but end at once: that looks ten times a second whether it shall end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        async with self.lifespan_context(**options):
            try:
                async with asyncio.TaskGroup() as group:
                    starting = group.create_task(self.start(**options))
                    await self._ending.wait()
                    await self.stop()
                    starting.cancel()
            except ExceptionGroup as errors:
                raise first_of(errors) from None

    def exit(self) -> None:
        """Shut down in order, or exit at once if nothing runs yet."""
        if self._running is None:
            os._exit(self._code)
        self._ending.set()

    async def _report_ready(self) -> None:
        """Report to the service manager that the process works, once its subscribers read and `/ready` is true.

        End when the process does: the broker's stop waits for this.
        """
        while not self._ending.is_set():
            if self._running is not None and self._running.ready()[0]:
                notify("READY=1")
                return
            await asyncio.sleep(_READY_SECONDS)

    async def _finish(self) -> None:
        if self._running is not None:
            await self._running.finish()


class Unusable(FastStream):
    """The application for invalid settings: it has an AsyncAPI document, and reports the fault when it is run."""

    def __init__(self, name: str, fault: OperatorError) -> None:
        super().__init__(KafkaBroker(), logger=None, specification=Contract())
        self._name = name
        self._fault = fault

    async def run(self, *_: Any, **__: Any) -> None:
        raise SystemExit(report_exit(self._name, self._fault))


def run(application: FastStream) -> int:
    """Run an application in this process and return its exit code, 0 after an orderly shutdown."""
    try:
        with asyncio.Runner(loop_factory=None if over_tls() else uvloop.new_event_loop) as runner:
            runner.run(application.run())
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def report_exit(name: str, error: BaseException) -> int:
    """Print why the process ends: a sentence for operators, or a defect's trace without text. Return the exit code."""
    if (expected := operator_message(error)) is not None:
        sentences, code = expected
        print(*(f"{name}: {each}" for each in sentences.splitlines()), sep="\n", file=sys.stderr, flush=True)
        return code
    print(f"{name}: ended by a defect: {error_trace(error)}", file=sys.stderr, flush=True)
    return os.EX_SOFTWARE


def configuration(*settings: BaseSettings) -> Mapping[str, object]:
    """Return the settings for the audit chain: a digest of each value by variable. It shows changes but no values."""
    values = {
        field.alias or name.upper(): getattr(of, name)
        for of in settings
        for name, field in type(of).model_fields.items()
    }
    return {"settings": {name: sha256(str(value).encode()).hexdigest()[:16] for name, value in sorted(values.items())}}


def exit_at_once_until_it_runs() -> None:
    """Make SIGTERM and SIGINT exit with 0 until the application handles them.

    Otherwise the first process of a container would ignore them, and a supervisor would see a failure.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


async def collect_garbage(settled: float = _SETTLED_SECONDS, pause: float = _COLLECT_SECONDS) -> NoReturn:
    """Collect all garbage after each pause, in seconds, for ever, and give back the memory that is free.

    A process at rest does not reach the interpreter's thresholds for days, and each connection that broke is a cycle
    that holds some 0.3 MB. What is in memory once the process has `settled`, such as the registers, is not looked at.
    GNU's C library keeps what a backlog took, a fifth of a worker's memory, unless it is told to trim.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)
    await asyncio.sleep(settled)
    gc.collect()
    gc.freeze()
    while True:
        trim(0)
        await asyncio.sleep(pause)
        gc.collect()


def _tune_interpreter() -> None:
    """Collect garbage less often, because values die young or are frozen, and switch threads sooner.

    By default a thread that has signed waits 5 ms for the interpreter: longer than the signature takes.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    sys.setswitchinterval(_SWITCH_SECONDS)


_IDLE_SECONDS = 3600.0


def notify(state: str) -> None:
    """Send a state, such as `READY=1`, to the socket that the manager named."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, suppress(OSError):
            manager.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)


async def report_alive() -> NoReturn:
    """Report for ever that the event loop runs, twice in the period after which the manager would end the process."""
    period = int(os.environ.get("WATCHDOG_USEC") or 0) / 1_000_000
    while True:
        await asyncio.sleep(period / 2 or _IDLE_SECONDS)
        notify("WATCHDOG=1")
