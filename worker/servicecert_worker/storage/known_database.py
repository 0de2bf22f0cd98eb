"""The database that a worker decides on: one whose tables were compared with the topics.

A restore, and a failover to a replica, put another database behind the same address, and a running worker finds it
there as after any lost connection. It may have forgotten what was decided, so nothing is read from it or decided on it
before it was compared as at the start: see core/unknown.py.
"""

import asyncio
import logging
from typing import Any

from asyncpg import Connection
from asyncpg.pool import PoolConnectionProxy

log = logging.getLogger(__name__)

_IDENTITY = """
select pg_postmaster_start_time()::text || ' ' || oid::text from pg_database where datname = current_database()
"""
"""Of the server's process and of the database in it. A server that recovered from a crash of one of its processes is
still the same."""


class DatabaseUnknown(ConnectionError):
    """A connection leads to a database that was not compared yet. It will be, so a retry helps."""


class KnownDatabase:
    """Which database is known. The first one that is seen is: the start compares it before anything is decided."""

    def __init__(self) -> None:
        self._identity: str | None = None
        self._asked = asyncio.Event()

    async def admit(self, connection: "Connection[Any] | PoolConnectionProxy[Any]") -> None:
        """Check a new connection of a pool. Raises `DatabaseUnknown`, and what asyncpg raises."""
        identity = await connection.fetchval(_IDENTITY)
        if self._identity is None:
            self._identity = identity
        if identity != self._identity:
            if not self._asked.is_set():
                log.warning(
                    "Another database server answers: it is compared with the topics before anything is decided"
                )
            self._asked.set()
            raise DatabaseUnknown

    async def accept(self, connection: "Connection[Any]") -> None:
        """Note that the database of this connection was compared and knows all."""
        self._identity = await connection.fetchval(_IDENTITY)
        self._asked.clear()

    async def another(self) -> None:
        await self._asked.wait()
