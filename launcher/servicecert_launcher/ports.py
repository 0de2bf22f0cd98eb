"""Free TCP ports of the loopback address, and the end of a server there."""

import asyncio
import socket
from collections.abc import Collection
from contextlib import suppress

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that is free now. Another process can take it before it is used: the caller retries."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def end(server: asyncio.Server, connections: Collection[asyncio.Transport] = ()) -> None:
    """End a server and its connections, a live view of them. One that it just accepted is among them a moment later.

    A server that closes meanwhile forgets that one open (cpython issue 109564), and up to Python 3.11 waits for none.
    """
    for listener in server.sockets:
        server.get_loop().remove_reader(listener)
    for _ in range(3):
        await asyncio.sleep(0)
    server.close()
    for connection in tuple(connections):
        with suppress(AttributeError):  # TLS that has ended has nothing to abort
            connection.abort()
    await server.wait_closed()
