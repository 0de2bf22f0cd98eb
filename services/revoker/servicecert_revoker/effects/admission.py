"""Limits the clients of an HTTP server: the number of connections, and the time of one without a request."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NoReturn

from aiohttp import web
from servicecert_worker.faults import background

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 900
"""Below the 1,024 open files that most systems allow a process by default."""
PATIENCE_SECONDS = 10.0


class Admission(web.Server):
    """A server that closes each connection beyond the `most`, and remembers which ones were answered recently."""

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], most: int = MOST_CONNECTIONS
    ) -> None:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            response = await handler(request)
            self.answered.add(request.protocol)
            return response

        super().__init__(answer, access_log=None)
        self._most = most
        self.open: dict[web.RequestHandler, asyncio.Transport] = {}
        self.answered: set[web.RequestHandler] = set()
        self.sending: set[web.RequestHandler] = set()
        self.rejected = 0

    @contextmanager
    def sends(self, handler: web.RequestHandler) -> Iterator[None]:
        """Keep a connection open meanwhile: a large response is being sent."""
        self.sending.add(handler)
        try:
            yield
        finally:
            self.sending.discard(handler)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.open[handler] = transport
        if len(self.open) > self._most:
            self.rejected += 1
            transport.abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self.open.pop(handler, None)
        self.answered.discard(handler)
        super().connection_lost(handler, exc)


async def close_idle_connections(server: Admission, patience_seconds: float) -> NoReturn:
    """Close the connections that were not answered for `patience_seconds`, at the latest after twice that time.

    It makes no difference whether a client sends slowly, reads slowly or only waits: it can connect again.
    """
    before: set[web.RequestHandler] = set()
    while True:
        await asyncio.sleep(patience_seconds)
        for slow in before - server.answered - server.sending:
            if transport := server.open.get(slow):
                transport.abort()
        before = set(server.open)
        server.answered.clear()
        if server.rejected:
            log.warning("%d connections were rejected: too many are open", server.rejected)
            server.rejected = 0


@asynccontextmanager
async def serving(
    server: Admission, host: str | None, port: int, patience_seconds: float, *, reuse_port: bool = False
) -> AsyncIterator[str]:
    """Serve until the context ends, and yield the address, `http://host:port`. Port 0 takes a free one.

    Raises OSError where the address is in use or not this machine's.
    """
    runner = web.ServerRunner(server)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_port=reuse_port, backlog=1024)
        await site.start()
        bound, bound_port, *_ = runner.addresses[0]
        async with background(close_idle_connections(server, patience_seconds)):
            yield address(bound, bound_port)
    finally:
        await runner.cleanup()


def address(host: str, port: int) -> str:
    """Return the URL of a host, an IPv6 one in brackets (RFC 3986, 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
