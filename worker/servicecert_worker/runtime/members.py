"""Dead workers are removed from their consumer group at once, instead of after the session timeout.

Nobody reads the partitions of a dead member. And a rebalance, such as the start of its successor causes, waits for it:
until its session ends nobody in the group reads anything. A connection to PostgreSQL shows a worker's death sooner: it
does nothing but hold an advisory lock of the worker's name, which is also its client id in Kafka.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from typing import Any, NoReturn

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from ..faults import Outage, backoff, is_transient, with_timeout
from ..kafka.internals import GroupMember, group_members, remove_member
from ..storage import QUERIES
from ..storage.database import connection_options
from .effects import watch

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0


def member_name(group: str) -> str:
    """Return a name for this process as a member of a group, which no other process ever has."""
    return f"{group}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


async def hold_lock(url: str, service: str, name: str) -> NoReturn:
    """Hold the lock that says that this worker lives, for ever; take it again whenever its connection was lost."""
    outage = Outage("The database connection that says that this worker lives")
    while True:
        async for _ in backoff(longest=1.0):
            try:
                connection = await asyncpg.connect(url, **connection_options(service))
                try:
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    await connection.execute(QUERIES["hold"], f"member/{name}")
                    outage.ended()
                    await watch(connection, lost)
                    break
                finally:
                    connection.terminate()
            except Exception as error:
                if not is_transient(error):
                    raise
                outage.began(error)


class DeadMembers:
    """Removes a group's dead members. Call `remove` regularly, from one worker of the service.

    A worker is dead if two calls in a row find its lock free: one that has just started may not hold it yet. A worker
    that lives without PostgreSQL joins again; it is left alone until it has held its lock once more.
    """

    def __init__(self, group: str) -> None:
        self._group = group
        self._suspects: set[str] = set()
        self._removed: set[str] = set()
        self._outage = Outage("The members of the consumer group")

    async def remove(self, client: AIOKafkaClient, pool: asyncpg.Pool[Any]) -> None:
        """Look once. If Kafka does not answer, nothing happens. Raises what asyncpg raises."""
        try:
            members = await with_timeout(_ANSWER_SECONDS, group_members(client, self._group))
            dead = await self._dead(pool, members)
            for member in members:
                if member.client_id in dead:
                    await with_timeout(_ANSWER_SECONDS, remove_member(client, self._group, member.id))
                    self._removed.add(member.client_id)
                    log.info("A worker is dead; its partitions go to others now", extra={"member": member.client_id})
            self._outage.ended()
        except (KafkaError, OSError, TimeoutError) as error:
            self._outage.began(error)

    async def _dead(self, pool: asyncpg.Pool[Any], members: list[GroupMember]) -> set[str]:
        names = {member.client_id for member in members if member.client_id.startswith(f"{self._group}-")}
        suspects = {row["name"] for row in await pool.fetch(QUERIES["unheld"], list(names))}
        # Not those that are absent now: a removed worker that lives is no member until its next heartbeat.
        self._removed -= names - suspects
        dead = (suspects & self._suspects) - self._removed
        self._suspects = suspects
        return dead
