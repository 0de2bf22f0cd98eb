"""Servers of a test's own that end with their connections: an open one is found by whichever test runs later."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from servicecert_launcher.ports import HOST, end

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(
    conversation: Callable[[], Any], port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve each connection by a protocol of its own, on a free port unless it is given; yields the port."""
    open_ones: dict[Any, asyncio.Transport] = {}

    def noted() -> Any:
        protocol = conversation()
        connection_made, connection_lost = protocol.connection_made, protocol.connection_lost

        def made(transport: asyncio.Transport) -> None:
            open_ones[protocol] = transport
            connection_made(transport)

        def lost(error: Exception | None) -> None:
            open_ones.pop(protocol, None)
            connection_lost(error)

        protocol.connection_made, protocol.connection_lost = made, lost
        return protocol

    server = await asyncio.get_running_loop().create_server(noted, HOST, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await end(server, open_ones.values())


@asynccontextmanager
async def talking(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection by a function of its reader and writer; yields the port."""
    loop = asyncio.get_running_loop()
    async with listening(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), talk, loop=loop), tls=tls
    ) as port:
        yield port
