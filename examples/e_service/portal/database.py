"""The e-service's own database, one file of SQLite: who its users are, what they sent, and what came back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiosqlite

_SCHEMA = Path(__file__).with_name("schema.sql")


class Database:
    """One connection that writes, a transaction at a time, and one that reads only what is committed."""

    def __init__(self, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._writer, self._reader, self._turn = writer, reader, asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """Open the file; make it and its tables if there are none."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with aiosqlite.connect(path, isolation_level=None) as writer:
            # What a customer was told is stored survives a loss of power: every commit is synced.
            await writer.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
            await writer.executescript(_SCHEMA.read_text())
            async with aiosqlite.connect(path, isolation_level=None) as reader:
                for connection in (writer, reader):
                    connection.row_factory = aiosqlite.Row
                yield cls(writer, reader)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """Commit all that the block writes, or nothing of it."""
        async with self._turn:
            await self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                await self._writer.rollback()
                raise
            await self._writer.commit()

    async def rows(self, sql: str, *values: Any) -> list[aiosqlite.Row]:
        return list(await self._reader.execute_fetchall(sql, values))

    async def row(self, sql: str, *values: Any) -> aiosqlite.Row | None:
        return next(iter(await self.rows(sql, *values)), None)
