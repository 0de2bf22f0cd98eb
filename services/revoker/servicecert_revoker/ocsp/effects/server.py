"""OCSP over HTTP (RFC 6960, appendix A; RFC 5019): GET and POST, and what caches may keep.

`Cache-Control: max-age` is short, so that a revocation is not hidden by a cache for as long as an answer is valid.
"""

import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import unquote

from aiohttp import web
from servicecert_pki.ocsp_request import LARGEST_REQUEST
from servicecert_worker.faults import error_trace

from ...effects.admission import MOST_CONNECTIONS, PATIENCE_SECONDS, Admission, serving
from ..domain.answering import INTERNAL_ERROR, MALFORMED, Answer

log = logging.getLogger(__name__)

REQUEST_TYPE = "application/ocsp-request"
RESPONSE_TYPE = "application/ocsp-response"

_NOT_KEPT = "no-store"
_METHODS = "GET, HEAD, POST"

Respond = Callable[[bytes, datetime], Answer]


@asynccontextmanager
async def serve(
    respond: Respond,
    clock: Callable[[], datetime],
    cache_seconds: int,
    host: str,
    port: int,
    *,
    most_connections: int = MOST_CONNECTIONS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> AsyncIterator[str]:
    """Serve until the context ends, and give the address, `http://host:port`.

    Any number of processes may serve at one port: the system shares the connections out. One connection too many is closed at once, and one that
    asks nothing whole within `patience_seconds` soon after. Raises OSError where the address is taken or not ours.
    """
    server = Admission(Handler(respond, clock, cache_seconds), most_connections)
    async with serving(server, host, port, patience_seconds, reuse_port=True) as address:
        yield address


class Handler:
    """Makes an HTTP response of each HTTP request. What OCSP has to say of a fault is said in OCSP, with status 200."""

    def __init__(self, respond: Respond, clock: Callable[[], datetime], cache_seconds: int) -> None:
        self._respond = respond
        self._clock = clock
        self._cache_seconds = cache_seconds

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            if request.content_type != REQUEST_TYPE:
                return web.Response(status=415, text=f"Send an OCSP request as {REQUEST_TYPE}.\n")
            body = await _read(request)
            if body is None:
                return web.Response(status=413, text=f"An OCSP request has at most {LARGEST_REQUEST} octets.\n")
            return self._response(self._answer(body), cached=False)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="Ask by GET or POST.\n", headers={"Allow": _METHODS})
        asked = _from_path(request.raw_path)
        answer = MALFORMED if asked is None else self._answer(asked)
        if answer.etag is not None and answer.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=self._caching(answer))
        return self._response(answer, cached=True)

    def _answer(self, asked: bytes) -> Answer:
        try:
            return self._respond(asked, self._clock())
        except Exception as error:
            log.error("A request is not answered, by a defect: %s", error_trace(error))
            return INTERNAL_ERROR

    def _response(self, answer: Answer, *, cached: bool) -> web.Response:
        headers = {"Content-Type": RESPONSE_TYPE}
        headers.update(self._caching(answer) if cached and answer.etag else {"Cache-Control": _NOT_KEPT})
        return web.Response(body=answer.body, headers=headers)

    def _caching(self, answer: Answer) -> dict[str, str]:
        """RFC 5019, 6.2. The age ends before the answer does."""
        assert answer.this_update is not None
        assert answer.next_update is not None
        assert answer.etag is not None
        left = int((answer.next_update - self._clock()).total_seconds())
        return {
            "Cache-Control": f"max-age={max(0, min(self._cache_seconds, left))}, public, no-transform, must-revalidate",
            "ETag": answer.etag,
            "Last-Modified": format_datetime(answer.this_update, usegmt=True),
            "Expires": format_datetime(answer.next_update, usegmt=True),
        }


async def _read(request: web.BaseRequest) -> bytes | None:
    """The body, None where it is larger than any request."""
    if request.content_length is not None and request.content_length > LARGEST_REQUEST:
        return None
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_REQUEST:
            return None
    return b"".join(parts)


def _from_path(path: str) -> bytes | None:
    """The request that the path says: base64, percent-encoded (RFC 6960, A.1). None where it is none.

    Some clients add a slash of their own; a request never begins with one.
    """
    try:
        return b64decode(unquote(path).lstrip("/"), validate=True)
    except ValueError:
        return None
