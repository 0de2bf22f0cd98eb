"""Errors: `OperatorError` if an operator must act, transient ones (see `is_transient`) to retry, others are defects."""

import asyncio
import logging
import random
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
from aiokafka.errors import KafkaError

from .decider import Conflict, Transient

log = logging.getLogger(__name__)
T = TypeVar("T")

_TRANSIENT = (
    *(Transient, Conflict, KafkaError, OSError, TimeoutError),
    *(asyncpg.InternalClientError, asyncpg.PostgresConnectionError, asyncpg.TransactionRollbackError),
    *(asyncpg.InsufficientResourcesError, asyncpg.OperatorInterventionError, asyncpg.LockNotAvailableError),
    *(asyncpg.ReadOnlySQLTransactionError, asyncpg.PostgresIOError),
)
_LOST_BEFORE = re.compile("is clos|was closed|been released|another operation")


class OperatorError(Exception):
    """One or two sentences for the operator: what is wrong, and what to do. `exit_code` follows sysexits.h."""

    def __init__(self, text: str, exit_code: int = 78) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def first_of(error: BaseException) -> BaseException:
    """Return an error; of a group, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def operator_message(error: BaseException) -> tuple[str, int] | None:
    """Return the sentence and exit code of an error that an operator must act on; None for any other error.

    Such an error has an `exit_code`. Of a group the first error counts.
    """
    error = first_of(error)
    code = getattr(error, "exit_code", None)
    return (str(error), code) if isinstance(code, int) else None


_STEPS = (
    ("refused|errno 111", "the connection is refused"),
    ("no route|unreachable", "there is no route"),
    ("name or service|resolve|name resolution|errno -[235]|no address", "its name is not known"),
    ("mismatch|does not match|not valid for", "its certificate is of another name"),
    ("expired|not yet valid", "its certificate is expired, or not yet valid"),
    ("self.signed|local issuer|unknown ca", "its certificate is of another CA"),
    ("verify.failed", "its certificate is of another CA, or expired"),
    ("certificate.required|bad.certificate|valid client certificate", "it wants another client certificate"),
    ("wrong.version|record.layer|rejected ssl|not support ssl|eof occurred|unexpected.eof", "it speaks no TLS there"),
    ("time", "there is no answer in time"),
    ("clos|reset|broken|lost", "it closes the connection"),
)


def failed_step(error: BaseException | str) -> str:
    """Return at which step a connection failed: TCP, TLS with the reason, or the answer. Of asyncio, OpenSSL, libpq."""
    text = (f"{type(error).__name__} {error}" if isinstance(error, BaseException) else error).lower()
    return next((step for pattern, step in _STEPS if re.search(pattern, text)), "there is no answer")


def is_transient(error: BaseException) -> bool:
    """Return whether a retry can help.

    asyncpg raises `InterfaceError` for a connection that was lost before the call, and for any misuse: its text tells.
    """
    if isinstance(error, asyncpg.InterfaceError):
        return _LOST_BEFORE.search(str(error)) is not None
    return isinstance(error, _TRANSIENT)


@contextmanager
def on_transient(note: Callable[[Exception], object]) -> Iterator[None]:
    """Call `note` with a transient error of the block, and go on behind it. Raises every other error."""
    try:
        yield
    except Exception as error:
        if not is_transient(error):
            raise
        note(error)


def error_summary(error: BaseException) -> str:
    """Return an error's type and source line, never its text: that may quote a value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def error_trace(error: BaseException) -> str:
    """Return an error's type and traceback, of a group the first's, without its text, which may be personal (E3)."""
    error = first_of(error)
    return f"{error_summary(error)}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()


async def backoff(first: float = 0.05, longest: float = 5.0) -> AsyncIterator[int]:
    """Yield attempt numbers from 0, with pauses between them that grow from `first` to `longest` seconds.

    Raises CancelledError if the task was asked to cancel: the failed attempt may have swallowed that.
    """
    pause, number = first, 0
    while True:
        yield number
        end_if_cancelled()
        number += 1
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  -- a pause is no secret
        pause = min(longest, pause * 2)


def end_if_cancelled() -> None:
    """Raise CancelledError if this task was asked to cancel: what it awaited may have answered with another error.

    asyncpg does, while it opens a connection on Python 3.11. A loop that retries would then go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class UnexpectedCancellation(ConnectionError):
    """The awaited operation was cancelled, but the task that awaits it was not."""


async def guard_cancellation(act: Awaitable[T]) -> T:
    """Await `act`, and end with CancelledError if, and only if, this task was asked to cancel.

    Raises UnexpectedCancellation for any other cancellation: a closing client cancels futures that others await, and
    a TaskGroup ignores a task that ends with CancelledError. Raises CancelledError also if `act` swallowed it, as
    asyncio.wait_for may up to Python 3.11: a task that runs on after its cancellation blocks its owner for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0

    def is_cancelling() -> bool:
        return task is not None and task.cancelling() > before

    try:
        result = await act
    except asyncio.CancelledError:
        if is_cancelling():
            raise
        raise UnexpectedCancellation from None
    except Exception as error:
        if is_cancelling():
            log.info("A cancelled task ended with an error", extra={"error": error_summary(error)})
            raise asyncio.CancelledError from error
        raise
    if is_cancelling():
        raise asyncio.CancelledError
    return result


@asynccontextmanager
async def background(part: Coroutine[Any, Any, NoReturn]) -> AsyncIterator[None]:
    """Run `part`, which never ends by itself, as a background task until the context ends.

    A part that fails cancels the context, which then raises the part's error: a dead task must not go unnoticed.
    """
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(guard_cancellation(part))
            try:
                yield
            finally:
                task.cancel()
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        # The task may have been cancelled before it started the coroutine.
        part.close()


async def run_together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run parts until one fails, then end the others. Raises an ExceptionGroup.

    It does so in a task of its own. A TaskGroup of Python 3.11 asks its owner to cancel when a part fails, and does not
    take that back: a later timeout of the owner would raise CancelledError, and end it without a word.
    """

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(guard_cancellation(part))

    await asyncio.create_task(together())


async def with_timeout(seconds: float, act: Awaitable[T]) -> T:
    """Await `act` for at most `seconds`, by `guard_cancellation`. Raises TimeoutError and UnexpectedCancellation."""
    async with asyncio.timeout(seconds):
        return await guard_cancellation(act)


class Outage:
    """Logs the start and the end of an outage, each once: `<what> is unavailable` and `<what> is back`."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.since: datetime | None = None

    def began(self, error: BaseException) -> None:
        if self.since is None:
            self.since = datetime.now(UTC)
            log.warning(
                "%s is unavailable; retrying until it is back", self.what, extra={"error": error_summary(error)}
            )

    def ended(self) -> None:
        if self.since is not None:
            seconds = (datetime.now(UTC) - self.since).total_seconds()
            log.warning("%s is back", self.what, extra={"outage_seconds": round(seconds, 1)})
            self.since = None
