"""What the checks ask, opened once for all of them, when the first one needs it."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial, wraps
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic_settings import BaseSettings
from servicecert_worker.core.faults import with_timeout
from servicecert_worker.kafka.clients import stop
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database

from ...connections import kafka
from ...connections.addresses import cluster, database_url
from ...faults import UserError
from .domain.check import Finding, fault

T = TypeVar("T")
Reached: TypeAlias = tuple[str, float]
"""Where a server answered, and after how many seconds."""

_OPEN_SECONDS = 4.0
_CLOSE_SECONDS = 1.5
_ANSWER_SECONDS = 6.0
_CONNECTIONS = 3


class Skip(Exception):
    """A check cannot be made here, which is no fault. The message says why, `remedy` which setting is missing."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class Wrong(Exception):
    """What a check asks says itself what is wrong: `finding`."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


class Away(Exception):
    """A check cannot be made because of a fault that another check reports: the one that is named `check`."""

    def __init__(self, check: str) -> None:
        super().__init__(check)
        self.check = check


@dataclass(frozen=True, slots=True)
class Kafka:
    """Open clients of the cluster."""

    cluster: Cluster
    admin: AIOKafkaAdminClient
    reader: AIOKafkaConsumer


Ask = Callable[["Sources"], Coroutine[Any, Any, T]]


class Sources:
    """The servers, each opened once. Facts that several checks need are asked once, see `shared`.

    `settings` are those of the processes beside the services.
    """

    def __init__(self, settings: Sequence[type[BaseSettings]] = ()) -> None:
        self.settings = settings
        self._tasks: dict[object, asyncio.Task[Any]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        with suppress(TimeoutError):
            await with_timeout(_CLOSE_SECONDS, self._stack.aclose())

    async def once(self, ask: Ask[T]) -> T:
        """Return what `ask` returned or raise what it raised, at its first call."""
        if ask not in self._tasks:
            self._tasks[ask] = asyncio.create_task(ask(self))
        result: T = await asyncio.shield(self._tasks[ask])
        return result

    async def kafka(self) -> Kafka:
        """Return the clients of Kafka. Raises Away."""
        return await self._opened(_open_kafka, "KafkaDown")

    async def database(self) -> "asyncpg.Pool[Any]":
        """Return connections to PostgreSQL that change nothing. Raises Away."""
        return await self._opened(_open_database, "DatabaseDown")

    async def timed(self) -> None:
        """Return when both servers have answered, or have not in time."""
        await asyncio.gather(self.once(_open_kafka), self.once(_open_database), return_exceptions=True)

    async def web(self) -> aiohttp.ClientSession:
        """Return what asks web servers."""
        return await self.once(_open_web)

    async def _opened(self, open_: "Ask[tuple[T, Reached]]", check: str) -> T:
        try:
            return (await self.once(open_))[0]
        except (UserError, Wrong):
            raise Away(check) from None

    def keep(self, close: Callable[[], Awaitable[object]]) -> None:
        """Call this when all is done."""
        self._stack.push_async_callback(close)


def shared(ask: Ask[T]) -> Ask[T]:
    """Ask once for all checks."""

    @wraps(ask)
    async def once(sources: Sources) -> T:
        return await sources.once(ask)

    return once


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """How the doctor sees a condition: what it asks, and how it judges the answer."""

    ask: Ask[T]
    judge: Callable[[T], Finding]

    async def __call__(self, sources: Sources) -> Finding:
        """Raises Skip, Away, and what the servers' clients raise."""
        try:
            return self.judge(await self.ask(sources))
        except Wrong as wrong:
            return wrong.finding


def setting(name: str) -> str:
    """Return an environment variable. Raises Skip."""
    if value := os.environ.get(name, ""):
        return value
    raise Skip(f"{name} is not set.", f"Set {name} to check it.")


async def kafka_reached(sources: Sources) -> Reached:
    """Return how Kafka answered. Raises Wrong, UserError."""
    return (await sources.once(_open_kafka))[1]


async def database_reached(sources: Sources) -> Reached:
    """Return how PostgreSQL answered. Raises Wrong, UserError."""
    return (await sources.once(_open_database))[1]


async def _open_kafka(sources: Sources) -> tuple[Kafka, Reached]:
    target = cluster()
    admin = AIOKafkaAdminClient(**target.client, request_timeout_ms=int(_ANSWER_SECONDS * 1000))
    reader = AIOKafkaConsumer(
        **target.client, enable_auto_commit=False, request_timeout_ms=int(_ANSWER_SECONDS * 1000), fetch_max_wait_ms=100
    )
    for client in (admin, reader):
        sources.keep(partial(stop, client))
    before = time.perf_counter()
    try:
        await with_timeout(_OPEN_SECONDS, admin.start())
        seconds = time.perf_counter() - before
        await with_timeout(_OPEN_SECONDS, reader.start())
    except (KafkaError, OSError, TimeoutError):
        raise Wrong(fault(str(kafka.unanswered(target)))) from None
    return Kafka(target, admin, reader), (target.bootstrap, seconds)


async def _open_database(sources: Sources) -> tuple["asyncpg.Pool[Any]", Reached]:
    url = database_url()
    # Not the services' own settings, since the server's are checked.
    settings = {
        "application_name": "servicecert-doctor",
        "statement_timeout": f"{_ANSWER_SECONDS:.0f}s",
        "lock_timeout": "1s",
        "default_transaction_read_only": "on",
    }
    before = time.perf_counter()
    try:
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=_CONNECTIONS, timeout=_OPEN_SECONDS, server_settings=settings
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as refused:
        raise Wrong(fault(str(database.database_refused(url, str(refused))))) from None
    sources.keep(_terminating(pool))
    return pool, (url.rpartition("@")[2].partition("?")[0], time.perf_counter() - before)


def _terminating(pool: "asyncpg.Pool[Any]") -> Callable[[], Awaitable[None]]:
    async def terminate() -> None:
        pool.terminate()

    return terminate


async def _open_web(sources: Sources) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS))
    sources.keep(session.close)
    return session
