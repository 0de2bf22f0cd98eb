"""OCSP over HTTP (RFC 6960, appendix A; RFC 5019): GET and POST, and the headers for caches.

`Cache-Control: max-age` is short, so that a cache hides a revocation only for a short time.
"""

import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import unquote

from aiohttp import web
from servicecert_pki.ocsp_messages import LARGEST_REQUEST
from servicecert_worker.core.faults import error_trace
from servicecert_worker.process.connections import Closed, Limits, Proxies, at_most

from ...serving.admission import Admission, let_continue, limits, serving
from ..domain.answering import INTERNAL_ERROR, MALFORMED, Answer

log = logging.getLogger(__name__)

LIMITS = limits(900)
"""Below the 1,024 open files that most systems allow a process by default."""
REQUEST_TYPE = "application/ocsp-request"
RESPONSE_TYPE = "application/ocsp-response"

_NOT_KEPT = "no-store"
_METHODS = "GET, HEAD, POST"

Respond = Callable[[bytes, datetime, str], Answer]
"""Returns the answer to an encoded request, now, of a client."""


@asynccontextmanager
async def serve(
    respond: Respond,
    clock: Callable[[], datetime],
    cache_seconds: int,
    host: str,
    port: int,
    *,
    limits: Limits = LIMITS,
    proxies: Proxies = Proxies(),  # noqa: B008  -- it is frozen
    closed: Callable[[Mapping[Closed, int]], None] = lambda _: None,
) -> AsyncIterator[str]:
    """Serve until the context ends, and yield the address, `http://host:port`.

    Any number of processes may serve at one port. `closed` is given the counts of closed connections, once. Raises
    OSError where the address is in use or not this machine's.
    """
    handler = Handler(respond, clock, cache_seconds, proxies)
    server = Admission(handler, limits, proxies)
    closed(server.limited.closed)
    async with serving(server, host, port, reuse_port=True) as address:
        yield address


@dataclass(frozen=True, slots=True)
class Handler:
    """Answers HTTP requests. An OCSP error is an OCSP response with status 200."""

    respond: Respond
    clock: Callable[[], datetime]
    cache_seconds: int
    proxies: Proxies

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            if request.content_type != REQUEST_TYPE:
                return web.Response(status=415, text=f"Send an OCSP request as {REQUEST_TYPE}.\n")
            body = await _read(request)
            if body is None:
                return web.Response(status=413, text=f"An OCSP request has at most {LARGEST_REQUEST} octets.\n")
            return self._response(self._answer(body, request), cached=False)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="Ask by GET or POST.\n", headers={"Allow": _METHODS})
        encoded = _from_path(request.raw_path)
        answer = MALFORMED if encoded is None else self._answer(encoded, request)
        if _has(request, answer):
            return web.Response(status=304, headers=self._caching(answer))
        return self._response(answer, cached=True)

    def _answer(self, encoded: bytes, request: web.BaseRequest) -> Answer:
        try:
            client = self.proxies.client(request.remote or "", request.headers.getall("X-Forwarded-For", ()))
            return self.respond(encoded, self.clock(), client)
        except Exception as error:
            log.error("An OCSP request failed because of a defect: %s", error_trace(error))
            return INTERNAL_ERROR

    def _response(self, answer: Answer, *, cached: bool) -> web.Response:
        headers = {"Content-Type": RESPONSE_TYPE}
        headers.update(self._caching(answer) if cached and answer.etag else {"Cache-Control": _NOT_KEPT})
        return web.Response(body=answer.body, headers=headers)

    def _caching(self, answer: Answer) -> dict[str, str]:
        """Return the headers of RFC 5019, 6.2. The maximum age ends before the answer expires."""
        assert answer.this_update is not None
        assert answer.next_update is not None
        assert answer.etag is not None
        left = int((answer.next_update - self.clock()).total_seconds())
        return {
            "Cache-Control": f"max-age={max(0, min(self.cache_seconds, left))}, public, no-transform, must-revalidate",
            "ETag": answer.etag,
            "Last-Modified": format_datetime(answer.this_update, usegmt=True),
            "Expires": format_datetime(answer.next_update, usegmt=True),
        }


def _has(request: web.BaseRequest, answer: Answer) -> bool:
    """Return whether the client has an answer that may be kept, or wants none that there is (RFC 9110, 13.1.2)."""
    tags = ",".join(request.headers.getall("If-None-Match", ()))
    return answer.etag is not None and (tags.strip() == "*" or answer.etag in tags)


async def _read(request: web.BaseRequest) -> bytes | None:
    if request.content_length is not None and request.content_length > LARGEST_REQUEST:
        return None
    await let_continue(request)
    return await at_most(LARGEST_REQUEST, request.content.iter_any())


def _from_path(path: str) -> bytes | None:
    """Return the request in the path, base64 and percent-encoded (RFC 6960, A.1), None if it is none.

    Some clients add a slash of their own; a request never begins with one.
    """
    try:
        return b64decode(unquote(path).lstrip("/"), validate=True)
    except ValueError:
        return None
