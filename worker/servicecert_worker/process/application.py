"""A process of ours as a FastStream application: the frame of the four services and of the OCSP responder.

FastStream brings the order of starting and ending, the subscribers, and its command line. What is added here: sentences and exit codes for operators,
an end at any moment, and `/live`, `/ready`, `/metrics`, `/asyncapi.json`.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from hashlib import sha256
from types import FrameType
from typing import Any, NoReturn, Protocol

from faststream import FastStream
from faststream.kafka import KafkaBroker
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from ..faults import OperatorError, error_trace, for_operators
from ..kafka.access import over_tls
from . import logs
from .contract import Contract
from .health import Checked, serve
from .settings import ProcessSettings

log = logging.getLogger(__name__)

EX_SOFTWARE = 70
EX_CONFIG = 78

_SWITCH_SECONDS = 0.0005


class Running(Checked, Protocol):
    """What an application runs beside its subscribers."""

    def working(self) -> AbstractAsyncContextManager[None]:
        """Start all that runs until the context ends. A part that fails ends the application by what it raised."""
        ...

    async def finish(self) -> None:
        """Finish what is under way, before the subscribers stop."""
        ...


Opened = Callable[[], AbstractAsyncContextManager[Running]]


class Application(FastStream):
    """A FastStream application that is run by `faststream run --factory` or by `run` below, with the same sentences and exit codes.

    Its parts are made when it runs: `opened` waits for what is around, and gives what to run.
    """

    def __init__(self, name: str, settings: ProcessSettings, broker: KafkaBroker, opened: Opened) -> None:
        self._running: Running | None = None
        self._code = 0

        @asynccontextmanager
        async def lifespan(worker_id: int | None = None) -> AsyncIterator[None]:
            """`worker_id` is FastStream's number of one of several processes: each serves its health at a port of its own."""
            logs.configure(name, settings.log_format, settings.log_level)
            _tune_interpreter()
            async with opened() as running, serve(running, settings, worker_id or 0) as address:
                log.info("Ready to work", extra={"health": address})
                async with running.working():
                    self._running = running
                    yield

        super().__init__(broker, logger=None, lifespan=lifespan, specification=Contract(), on_shutdown=[self._finish])
        self.name = name

    async def run(self, log_level: int = logging.INFO, run_extra_options: Any = None, sleep_time: float = 0.1) -> None:
        """Run until SIGTERM, SIGINT or `exit`. Raises SystemExit with an exit code, a sentence on standard error before it, where it cannot go on."""
        try:
            await super().run(log_level, run_extra_options, sleep_time)
        except Exception as error:
            self._code = tell(self.name, error)
            # Leaves the group, so that others need not wait until this process is missed.
            await self._stop_brokers()
        if over_tls() and "uvloop" in type(asyncio.get_running_loop()).__module__:
            # Under uvloop, which FastStream's command line takes, a TLS connection to a broker can hold the loop's end for minutes.
            sys.stderr.flush()
            os._exit(self._code)
        if self._code:
            raise SystemExit(self._code)

    def exit(self) -> None:
        """End in order; at once where there is nothing to end in order."""
        if self._running is None:
            os._exit(self._code)
        super().exit()

    async def _stop_brokers(self) -> None:
        with suppress(Exception):
            await asyncio.gather(*(broker.stop() for broker in self.brokers))

    async def _finish(self) -> None:
        if self._running is not None:
            await self._running.finish()


class Unusable(FastStream):
    """The application of settings that are wrong: it has a document, and says what is wrong when it is run."""

    def __init__(self, name: str, fault: ValidationError) -> None:
        super().__init__(KafkaBroker(), logger=None, specification=Contract())
        self._name = name
        self._fault = OperatorError(settings_fault(fault), EX_CONFIG)

    async def run(self, *_: Any, **__: Any) -> None:
        """Raise SystemExit, after the sentence."""
        raise SystemExit(tell(self._name, self._fault))


def run(application: FastStream) -> int:
    """Run an application in this process and return its exit code: 0 after an orderly end."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(application.run())
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def tell(name: str, error: BaseException) -> int:
    """Print why a process ends: one sentence for an operator, or the lines of a defect, without its text. Return the exit code."""
    if (foreseen := for_operators(error)) is not None:
        sentence, code = foreseen
        print(f"{name}: {sentence}", file=sys.stderr, flush=True)
        return code
    print(f"{name}: ended by a defect: {error_trace(error)}", file=sys.stderr, flush=True)
    return EX_SOFTWARE


def settings_fault(error: ValidationError) -> str:
    """Return which environment variables are missing or wrong, without their values."""
    return "; ".join(
        f"set {fault['loc'][0]}"
        if fault["type"] == "missing"
        else ": ".join((*map(str, fault["loc"][:1]), fault["msg"].removeprefix("Value error, ")))
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    )


def configuration(*settings: BaseSettings) -> Mapping[str, object]:
    """Return what the audit chain says of the settings: by variable a digest of the value, which tells that it changed and not what it is."""
    values = {
        field.alias or name.upper(): getattr(of, name)
        for of in settings
        for name, field in type(of).model_fields.items()
    }
    return {"settings": {name: sha256(str(value).encode()).hexdigest()[:16] for name, value in sorted(values.items())}}


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the event loop that processes run on; None for asyncio's own."""
    if sys.platform == "win32" or over_tls():
        return None
    import uvloop

    return uvloop.new_event_loop


def exit_at_once_until_it_runs() -> None:
    """Let SIGTERM and SIGINT end the process with 0 until its application hears them.

    Without this the first process of a container would not hear them at all, and a supervisor would take the end for a failure.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_at_once)


def _exit_at_once(_number: int = 0, _frame: FrameType | None = None) -> NoReturn:
    os._exit(0)


def _tune_interpreter() -> None:
    """Collect garbage less often, since a worker's values are young or frozen, and let a thread that comes back from arithmetic go on soon.

    By default such a thread, one that signed, waits 5 ms for the interpreter: longer than the arithmetic takes.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    sys.setswitchinterval(_SWITCH_SECONDS)
