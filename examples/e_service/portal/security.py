"""What protects every page: headers, bounds of requests, and the rate of logins."""

import time
from collections import deque

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_OCTETS = 11 * 2**20
"""Of a request: an attachment of 10 MiB and its form."""
MOST_ADDRESSES = 10_000

HEADERS = {
    # Pages show cases: no cache keeps them after the logout.
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityMiddleware:
    """Adds the headers to every response, and reads no request that is larger than any form."""

    def __init__(self, app: ASGIApp, is_https: bool) -> None:
        self._app = app
        self._headers = HEADERS | ({"strict-transport-security": "max-age=31536000"} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        octets = 0

        async def receiving() -> Message:
            nonlocal octets
            message = await receive()
            octets += len(message.get("body", b""))
            if octets > MOST_OCTETS:
                raise HTTPException(413)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receiving, sending)
        finally:
            # Its files are closed at once, and not when somebody collects them.
            if (form := scope.get("state", {}).get("form")) is not None:
                await form.close()


class RateLimit:
    """How often one address may do something in a minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: dict[str, deque[float]] = {}

    def check(self, address: str) -> None:
        """Count an attempt. Raise HTTPException 429 for one too many."""
        now = time.monotonic()
        if len(self._times) >= MOST_ADDRESSES:
            self._times = {each: times for each, times in self._times.items() if times[-1] > now - 60}
        times = self._times.setdefault(address, deque(maxlen=self._most))
        if len(times) == self._most and times[0] > now - 60:
            raise HTTPException(429, headers={"Retry-After": "60"})
        times.append(now)


def is_local(path: str) -> bool:
    """Return whether a browser that is sent to this path stays here: no host, scheme, backslash or control character.

    A redirect to anything else would lend our name to another site.
    """
    return path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable() and path.isascii()
