"""Dead workers are removed from their consumer group at once, instead of after the session timeout.

Nobody reads the partitions of a dead member. And a rebalance, such as the start of its successor causes, waits for it:
until its session ends nobody in the group reads anything. A connection to PostgreSQL shows a worker's death sooner: it
does nothing but hold an advisory lock of the worker's name, which is also its client id in Kafka. A worker that is cut
off from PostgreSQL, or whose clock is wrong, loses its lock, too: it takes no turns, and joins again when it has it.
"""

import asyncio
import logging
import os
import secrets
import socket
from math import inf
from time import monotonic
from typing import NoReturn

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from ..core.clock import ClockGuard, steady_clock
from ..core.faults import Outage, backoff, on_transient, with_timeout
from ..kafka.internals import GroupMember, group_members, remove_member
from ..storage import QUERIES
from ..storage.database import KnownDatabase, connection_options
from .effects import SILENT, watch

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_KNOWN_SECONDS = 10.0
"""How long the members of a group are believed to be the same while all hold their locks."""


def member_name(group: str) -> str:
    """Return a name for this process as a member of a group, which no other process ever has."""
    return f"{group}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


class Membership:
    """Holds the lock that says that a worker works; `held` is set while it does. The `guard` compares the clocks."""

    def __init__(self, url: str, known: KnownDatabase, service: str, name: str, guard: ClockGuard) -> None:
        self.held = asyncio.Event()
        self._url = url
        self._known = known
        self._service = service
        self._name = name
        self._guard = guard
        self._outage = Outage("The database connection that says that this worker lives")

    async def hold(self) -> NoReturn:
        """Hold it for ever; take it again whenever its connection was lost, or the clock was wrong."""
        options = connection_options(self._service, SILENT)
        while True:
            async for _ in backoff(longest=1.0):
                with on_transient(self._outage.began):
                    connection = await asyncpg.connect(self._url, **options)
                    try:
                        await self._known.admit(connection)
                        await self._hold(connection)
                        break
                    finally:
                        self.held.clear()
                        connection.terminate()

    async def _hold(self, connection: asyncpg.Connection) -> None:
        """Hold it until the connection is lost. Raises ClockWrong and what asyncpg raises."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await compare_clocks(self._guard, connection)
        await connection.execute(QUERIES["hold"], f"member/{self._name}")
        self.held.set()
        self._outage.ended()
        await watch(connection, lost, self._ask)

    async def _ask(self, connection: asyncpg.Connection) -> None:
        await compare_clocks(self._guard, connection)
        await connection.execute(QUERIES["end_silent"], timeout=_ANSWER_SECONDS)


async def compare_clocks(guard: ClockGuard, connection: asyncpg.Connection) -> None:
    """Compare this machine's clock with PostgreSQL's. Raises ClockWrong and what asyncpg raises."""
    asked = steady_clock()
    row = await connection.fetchrow(QUERIES["ask_clock"], timeout=_ANSWER_SECONDS)
    assert row is not None
    guard.compare(asked, row["now"], row["newest"])


class DeadMembers:
    """Removes a group's members that do not hold their locks. Call `remove` regularly, from one worker of the service.

    Only those that two calls in a row find without: a connection that is lost may be replaced at once. And only while
    this worker holds its own, `held`: else PostgreSQL may be away for all.
    """

    def __init__(self, group: str, held: asyncio.Event) -> None:
        self._group = group
        self._held = held
        self._suspects: set[str] = set()
        self._members: list[GroupMember] = []
        self._asked = -inf
        self._outage = Outage("The members of the consumer group")

    async def remove(self, client: AIOKafkaClient, pool: asyncpg.Pool) -> None:
        """Look once. If Kafka does not answer, nothing happens. Raises what asyncpg raises."""
        if not self._held.is_set():
            self._suspects.clear()
            return
        try:
            # PostgreSQL is asked each time, Kafka only where it matters.
            if self._suspects or self._asked + _KNOWN_SECONDS <= monotonic():
                self._members = await with_timeout(_ANSWER_SECONDS, group_members(client, self._group))
                self._asked = monotonic()
            dead = await self._dead(pool)
            for member in self._members:
                if member.client_id in dead:
                    await with_timeout(_ANSWER_SECONDS, remove_member(client, self._group, member.id))
                    log.info("A worker does not work; its partitions go to others", extra={"member": member.client_id})
            self._outage.ended()
        except (KafkaError, OSError, TimeoutError) as error:
            self._outage.began(error)

    async def _dead(self, pool: asyncpg.Pool) -> set[str]:
        names = {member.client_id for member in self._members if member.client_id.startswith(f"{self._group}-")}
        suspects = {row["name"] for row in await pool.fetch(QUERIES["unheld"], list(names))}
        dead = suspects & self._suspects
        self._suspects = suspects
        return dead
