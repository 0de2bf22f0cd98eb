"""A small HTTP server for the CRLs and CA certificates of one folder, and nothing else."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from servicecert_worker.process.connections import Limits, Proxies

from .admission import Admission, limits, serving

MEDIA_TYPES = MappingProxyType({".crl": "application/pkix-crl", ".cer": "application/pkix-cert"})
"""RFC 2585, 4."""

LIMITS = limits(450)
"""Each may have a file open too: together below the 1,024 that most systems allow a process by default."""
OCTETS_PER_SECOND = 64 * 1024
"""How fast a client must read, on the average: a CRL of a million entries, some 40 MB, within 10 minutes."""

# Long enough to spare a busy server, short enough for "revoked within a minute" (D4).
CACHE = "public, max-age=30"
_RESOLUTION = timedelta(seconds=1)
_NAME = re.compile(r"/([a-z0-9][a-z0-9-]*(?:(?:\.[1-9][0-9]{0,3})?\.crl|\.cer))")
_METHODS = ("GET", "HEAD")
_DATE: Any = web.FileResponse.last_modified


@asynccontextmanager
async def serve(
    folder: Path,
    host: str | None,
    port: int,
    *,
    limits: Limits = LIMITS,
    octets_per_second: float = OCTETS_PER_SECOND,
    proxies: Proxies = Proxies(),  # noqa: B008  -- it is frozen
) -> AsyncIterator[str]:
    """Serve the folder until the context ends, and yield the address, `http://host:port`, without a final slash.

    GET and HEAD of `/<issuer>.crl`, `/<issuer>.<partition>.crl` and `/<issuer>.cer`, with ETag and, once unambiguous,
    Last-Modified. A connection is closed that does not read its file by the patience of the `limits`, and at
    `octets_per_second` then. Port 0 takes a free one. Raises OSError where the address is in use or not this machine's.
    """

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        name = _NAME.fullmatch(request.path)
        path = folder / name[1] if name else None
        if path is None or not path.is_file():
            return web.Response(status=404, text="Not found.\n")
        if request.method not in _METHODS:
            return web.Response(status=405, text="Ask by GET.\n", headers={"Allow": ", ".join(_METHODS)})
        return _File(path, server, limits.patience_seconds, octets_per_second)

    server = Admission(answer, limits, proxies)
    async with serving(server, host, port) as address:
        yield address


class _File(web.FileResponse):
    """The response with a file, which the client must read in a time that depends on its size."""

    def __init__(self, path: Path, server: Admission, patience_seconds: float, octets_per_second: float) -> None:
        super().__init__(path, headers={"Content-Type": MEDIA_TYPES[path.suffix], "Cache-Control": CACHE})
        self._connections = server.limited
        self._patience = patience_seconds
        self._rate = octets_per_second

    async def _sendfile(self, request: web.BaseRequest, fobj: IO[Any], offset: int, count: int) -> AbstractStreamWriter:
        """Send the file; a connection that reads it too slowly is closed. What opened the file closes it."""
        seconds = self._patience + count / self._rate
        with self._connections.sending(request.transport, seconds):
            return await super()._sendfile(request, fobj, offset, count)

    @property
    def last_modified(self) -> datetime | None:
        """Return None within the second of a change: another CRL may follow in it (RFC 9110, 8.8.2.2).

        A client without a date cannot ask with one, so it never gets 304 for an older CRL.
        """
        return super().last_modified

    @last_modified.setter
    def last_modified(self, value: Any) -> None:
        _DATE.__set__(self, value)
        if (modified := super().last_modified) is not None and datetime.now(UTC) < modified + _RESOLUTION:
            _DATE.__set__(self, None)
