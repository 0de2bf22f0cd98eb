"""A TCP proxy whose connections a test cuts, or lets hang: a network between a worker and its database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

from servicecert_launcher.ports import end


class Proxy:
    """Passes connections on to `host` and `port` while it is `whole`. One that is `silent` swallows what it is sent."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_whole = True
        self._passes = asyncio.Event()
        self._passes.set()
        self._last: bytes | None = None

    def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        self._is_whole = False
        for writer in self._writers:
            writer.transport.abort()

    def silence(self) -> None:
        """Pass nothing on, and close nothing."""
        self._passes.clear()

    def silence_after(self, last: bytes) -> None:
        """Pass on what has these bytes, and then nothing."""
        self._last = last

    def mend(self) -> None:
        """Pass everything on again; what hung is reset."""
        self._last = None
        if not self._passes.is_set():
            self.cut()
        self._is_whole = True
        self._passes.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._is_whole:
                with suppress(OSError):
                    there_reader, there = await asyncio.open_connection(*self._to)
                    self._writers |= {writer, there}
                    await asyncio.gather(self._pass(reader, there), self._pass(there_reader, writer))
                    self._writers -= {writer, there}
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await reader.read(65_536):
                await self._passes.wait()
                if self._last is not None and self._last in some:
                    self.silence()
                writer.write(some)
                await writer.drain()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()

    async def close(self) -> None:
        """Reset all connections, and return when they are gone."""
        self.mend()
        self.cut()
        while self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[tuple[str, Proxy]]:
    """Yield the URL of the same database through a proxy, and the proxy."""
    parts = urlsplit(url)
    between = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    async with await asyncio.start_server(between.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        login = parts.netloc.rpartition("@")[0]
        try:
            yield urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}")), between
        finally:
            await end(server)
            await between.close()
