"""What the checks ask, opened once for all of them, when the first one needs it."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, TypeAlias, TypeVar

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from servicecert_worker.core.faults import OperatorError, with_timeout
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database

from ...connections import kafka
from ...connections.addresses import cluster, database_url
from ...faults import UserError
from .domain.check import Finding, fault, skipped, unknown

T = TypeVar("T")
Reached: TypeAlias = tuple[str, float]
"""Where a server answered, and after how many seconds."""

ANSWER_SECONDS = 6.0
CORRECT = "Correct it, then look again."
_OPEN_SECONDS = 4.0
_CLOSE_SECONDS = 1.5
_CONNECTIONS = 3


class Stopped(Exception):
    """What a check asks has a finding by itself, so that nothing is judged.

    `check` names the one that reports it, where others cannot be made because of it.
    """

    def __init__(self, finding: Finding, check: str | None = None) -> None:
        super().__init__(finding.text)
        self.finding = finding
        self.check = check


def skip(text: str, remedy: str = "") -> Stopped:
    """Return that a check cannot be made here, which is no fault, and in `remedy` which setting is missing."""
    return Stopped(skipped(text, remedy))


def elsewhere(check: str) -> Stopped:
    """Return that a check cannot be made because of a fault that another one reports."""
    return Stopped(skipped(f"Not possible: see `{check}`."), check)


@dataclass(frozen=True, slots=True)
class Kafka:
    """Open clients of the cluster."""

    cluster: Cluster
    admin: AIOKafkaAdminClient
    reader: AIOKafkaConsumer


Ask = Callable[["Sources"], Coroutine[Any, Any, T]]


class Sources:
    """The servers, each opened once. Facts that several checks need are asked once, see `shared`.

    What `stack` has is closed in the end, and what `tasks` ask is ended.
    """

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.tasks: dict[object, asyncio.Task[Any]] = {}

    async def aclose(self) -> None:
        """End what is still asked, and close everything."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        with suppress(TimeoutError):
            await with_timeout(_CLOSE_SECONDS, self.stack.aclose())

    async def kafka(self) -> Kafka:
        return (await open_kafka(self))[0]

    async def database(self) -> "asyncpg.Pool":
        return (await open_database(self))[0]


def shared(ask: Ask[T]) -> Ask[T]:
    """Ask once for all checks: each of them gets what it returned, or raised."""

    @wraps(ask)
    async def once(sources: Sources) -> T:
        if ask not in sources.tasks:
            sources.tasks[ask] = asyncio.create_task(ask(sources))
        result: T = await asyncio.shield(sources.tasks[ask])
        return result

    return once


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """How the doctor sees a condition: what it asks, which may raise Stopped, and how it judges the answer."""

    ask: Ask[T]
    judge: Callable[[T], Finding]


def setting(name: str) -> str:
    """Return an environment variable. Raises Stopped where it is not set."""
    if value := os.environ.get(name, ""):
        return value
    raise skip(f"{name} is not set.", f"Set {name} to check it.")


@shared
async def open_kafka(sources: Sources) -> tuple[Kafka, Reached]:
    """Return the clients of Kafka, and how it answered."""
    before = time.perf_counter()
    try:
        target = cluster()
        admin = await sources.stack.enter_async_context(kafka.admin(target, _OPEN_SECONDS))
        seconds = time.perf_counter() - before
        reader = await sources.stack.enter_async_context(kafka.reader(target, seconds=_OPEN_SECONDS))
    except UserError as unset:
        raise Stopped(unknown(str(unset), CORRECT), "KafkaDown") from None
    except OperatorError as unanswered:
        raise Stopped(fault(str(unanswered)), "KafkaDown") from None
    return Kafka(target, admin, reader), (target.bootstrap, seconds)


@shared
async def open_database(sources: Sources) -> tuple["asyncpg.Pool", Reached]:
    """Return connections to PostgreSQL, and how it answered."""
    # Not the services' own settings, since the server's are checked.
    settings = {
        "application_name": "servicecert-doctor",
        "statement_timeout": f"{ANSWER_SECONDS:.0f}s",
        "lock_timeout": "1s",
        "default_transaction_read_only": "on",
    }
    before = time.perf_counter()
    try:
        url = database_url()
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=_CONNECTIONS, timeout=_OPEN_SECONDS, server_settings=settings
        )
    except UserError as unset:
        raise Stopped(unknown(str(unset), CORRECT), "DatabaseDown") from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as refused:
        raise Stopped(fault(str(database.database_refused(url, refused))), "DatabaseDown") from None
    sources.stack.callback(pool.terminate)
    return pool, (url.rpartition("@")[2].partition("?")[0], time.perf_counter() - before)
