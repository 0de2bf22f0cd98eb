"""Which faults pass by themselves, which need an operator, and how each is told.

OperatorError   something outside must be put right first; its text says what and how
Transient       (see decider) something is unavailable for now
"""

import asyncio
import logging
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
from aiokafka.errors import KafkaError

from .decider import Conflict, Transient
from .kafka.access import IN_THE_CLEAR, KafkaAccess, SecurityProtocol

log = logging.getLogger(__name__)
T = TypeVar("T")

_TRANSIENT = (
    Transient,
    Conflict,
    KafkaError,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresIOError,
)


class OperatorError(Exception):
    """One sentence (or two) for the operator: what is wrong and the way out. `exit_code` follows sysexits.h."""

    def __init__(self, text: str, exit_code: int = 78) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def for_operators(error: BaseException) -> tuple[str, int] | None:
    """Return the sentence and the exit code of an error that an operator must act on, None of any other.

    An exception type says that it is one by `exit_code`; of a group the first counts.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    code = getattr(error, "exit_code", None)
    return (str(error), code) if isinstance(code, int) else None


def no_broker(bootstrap_servers: str, access: KafkaAccess = IN_THE_CLEAR) -> OperatorError:
    """Kafka cannot be reached, or does not let us in: its client does not tell the one from the other."""
    if access.security_protocol is not SecurityProtocol.PLAINTEXT:
        return OperatorError(
            f"Kafka does not answer at {bootstrap_servers}, or refuses {access.security_protocol}: start it, or correct "
            "KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL, KAFKA_CA_FILE, or the user and the password.",
            69,
        )
    return OperatorError(
        f"Kafka does not answer at {bootstrap_servers}: start it, or correct KAFKA_BOOTSTRAP_SERVERS.", 69
    )


def is_transient(error: BaseException) -> bool:
    """Whether trying again later can help.

    asyncpg reports an argument that it cannot encode as an `InterfaceError` that is a `ValueError` too: that one stays.
    """
    return isinstance(error, _TRANSIENT) and not isinstance(error, ValueError)


def error_summary(error: BaseException) -> str:
    """Return an error's type and source line, never its text: that may quote a value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def error_trace(error: BaseException) -> str:
    """Return an error's type and traceback without its text, which may quote personal data (E3). Of a group the first counts."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{error_summary(error)}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()


async def backoff(first: float = 0.05, longest: float = 5.0) -> AsyncIterator[int]:
    """Numbers the tries of something, with pauses between them that grow from `first` to `longest` seconds."""
    pause, number = first, 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  -- a pause is no secret
        pause = min(longest, pause * 2)


class Abandoned(ConnectionError):
    """What was awaited was cancelled, and whoever awaits it was not."""


async def guard_cancellation(act: Awaitable[T]) -> T:
    """Awaits `act`, and sees to it that this task is cancelled where that was asked of it, and only then.

    Raises Abandoned for a cancellation that nobody asked of this task: a client that is closed cancels what others await, and a TaskGroup takes a part
    that ends by a cancellation for one that it ended itself. Raises CancelledError also where `act` answered it by a result or a fault, as
    asyncio.wait_for does up to Python 3.11 where what it awaits ends just then: who goes on unaware is waited for without end.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0

    def is_asked() -> bool:
        return task is not None and task.cancelling() > before

    try:
        result = await act
    except asyncio.CancelledError:
        if is_asked():
            raise
        raise Abandoned from None
    except Exception as error:
        if is_asked():
            log.info("What was told to end ended by %s", error_summary(error))
            raise asyncio.CancelledError from error
        raise
    if is_asked():
        raise asyncio.CancelledError
    return result


@asynccontextmanager
async def background(part: Coroutine[Any, Any, NoReturn]) -> AsyncIterator[None]:
    """Runs `part`, which never ends by itself, until the context ends.

    A part that fails ends the context too, which then raises what the part raised: else nobody would notice that it is gone.
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
        # One that was cancelled before it began.
        part.close()


async def with_timeout(seconds: float, act: Awaitable[T]) -> T:
    """Awaits `act` for so long at most, as `guard_cancellation` does. Raises TimeoutError, and Abandoned."""
    async with asyncio.timeout(seconds):
        return await guard_cancellation(act)


class Outage:
    """Tells once that something is gone, and once that it is back."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.since: datetime | None = None

    def began(self, error: BaseException) -> None:
        if self.since is None:
            self.since = datetime.now(UTC)
            log.warning("%s is unavailable (%s); trying again until it is back", self.what, error_summary(error))

    def ended(self) -> None:
        if self.since is not None:
            log.warning("%s is back after %.1f s", self.what, (datetime.now(UTC) - self.since).total_seconds())
            self.since = None
