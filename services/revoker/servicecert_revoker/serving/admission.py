"""HTTP servers that strangers reach: each connection, request and response is limited (F5)."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from servicecert_worker.core.faults import background, error_trace
from servicecert_worker.process.connections import Connections, Limits, Proxies, raise_file_limit

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
_SHARE = 8
"""The part of the connections that one client may hold."""


def limits(most: int, patience_seconds: float = PATIENCE_SECONDS) -> Limits:
    return Limits(most, max(1, most // _SHARE), patience_seconds)


class Admission(web.Server):
    """A server whose connections are limited. A large response is sent within `limited.sending`."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        limits: Limits,
        proxies: Proxies = Proxies(),  # noqa: B008  -- it is frozen
    ) -> None:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            response = await handler(request)
            if not request.content.is_eof():
                response.force_close()
            self.limited.answered(request.transport)
            return response

        super().__init__(answer, access_log=None)
        self.limited = Connections(limits, proxies)

    def __call__(self) -> web.RequestHandler:
        return cast("web.RequestHandler", self.limited.guard(_Handler(self, loop=self._loop, **self._kwargs)))


async def let_continue(request: web.BaseRequest) -> None:
    """Ask a client that waits for it to send its body (RFC 9110, 10.1.1). aiohttp does so for its applications only."""
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # It is no part of the response: one that fails before its own first octet is still answered.
        request.writer.output_size = 0


class _Handler(web.RequestHandler):
    """aiohttp's protocol, which logs one line about what is no request: strangers send TLS, and anything else."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  -- it may quote what was sent
    ) -> web.StreamResponse:
        if exc is None or isinstance(exc, HttpProcessingError):
            log.debug("Not an HTTP request", extra={"status": status})
        else:
            self.log_exception(exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionResetError
        response = web.Response(status=status, text="This is no request that can be answered.\n")
        response.force_close()
        return response

    def log_exception(self, *_: Any, exc_info: BaseException | None = None, **__: Any) -> None:
        """Log a defect in one line; what fails on a connection that is closed is none."""
        if isinstance(exc_info, ConnectionError) or self.transport is None or self.transport.is_closing():
            log.debug("A client went away", extra={"error": type(exc_info).__name__})
        elif exc_info is not None:
            log.error("A request failed because of a defect: %s", error_trace(exc_info))


@asynccontextmanager
async def serving(server: Admission, host: str | None, port: int, *, reuse_port: bool = False) -> AsyncIterator[str]:
    """Serve until the context ends, and yield the address, `http://host:port`. Port 0 takes a free one.

    Raises OSError where the address is in use or not this machine's.
    """
    raise_file_limit()
    runner = web.ServerRunner(server)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_port=reuse_port, backlog=1024)
        await site.start()
        bound, bound_port, *_ = runner.addresses[0]
        async with background(server.limited.watch()):
            yield address(bound, bound_port)
    finally:
        await runner.cleanup()


def address(host: str, port: int) -> str:
    """Return the URL of a host, an IPv6 one in brackets (RFC 3986, 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
