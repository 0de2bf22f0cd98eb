"""Bounds what clients can hold of a responder: how many connections, and for how long without asking anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 900
"""Below the 1,024 open files that most systems allow a process that asks for no more."""
PATIENCE_SECONDS = 10.0


class Admission(web.Server):
    """A server that closes each connection beyond the `most`, and knows which ones were answered of late."""

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
        self.turned_away = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.open[handler] = transport
        if len(self.open) > self._most:
            self.turned_away += 1
            transport.abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self.open.pop(handler, None)
        self.answered.discard(handler)
        super().connection_lost(handler, exc)


async def close_the_slow(server: Admission, patience_seconds: float) -> None:
    """Close, for ever, what was open for `patience_seconds` and not answered meanwhile; at the latest after twice as long.

    It makes no difference whether a client sends slowly, reads slowly or only waits: an idle one can connect anew.
    """
    before: set[web.RequestHandler] = set()
    while True:
        await asyncio.sleep(patience_seconds)
        for slow in before - server.answered:
            if transport := server.open.get(slow):
                transport.abort()
        before = set(server.open)
        server.answered.clear()
        if server.turned_away:
            log.warning("%d connections were turned away: as many are open as may be", server.turned_away)
            server.turned_away = 0
