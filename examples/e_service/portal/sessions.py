"""Sessions, kept in the database: the cookie is a random number, and all else stays here."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .database import Database
from .settings import Settings

COOKIE = "session"
LONGEST = timedelta(hours=8)
"""How long a session lasts however busy it is."""


class Session(dict[str, Any]):
    """What is known of a browser. It is stored once it has content."""

    def __init__(self, id: str | None = None, **content: Any) -> None:
        super().__init__(content)
        self.id, self.stale = id, id is None

    def renew(self) -> None:
        """Empty the session and take another id: who knew the old one has nothing (session fixation)."""
        self.clear()
        self.stale = True

    @property
    def csrf(self) -> str:
        """The token that every form of this session repeats."""
        if "csrf" not in self:
            self["csrf"] = secrets.token_urlsafe(32)
        return str(self["csrf"])


def session_of(request: Request) -> Session:
    return cast(Session, request.session)


class SessionMiddleware:
    """Loads the session of a request, and stores what the handler made of it before the response begins."""

    def __init__(self, app: ASGIApp, settings: Settings, database: Database) -> None:
        self._app, self._settings, self._database = app, settings, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        session = scope["session"] = await self._load(HTTPConnection(scope).cookies.get(COOKIE))
        before = json.dumps(session)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and (session.stale or json.dumps(session) != before):
                await self._store(session, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, sending)

    async def _load(self, id: str | None) -> Session:
        if not id:
            return Session()
        now, idle = datetime.now(UTC), timedelta(minutes=self._settings.idle_minutes)
        sql = "SELECT data, seen FROM sessions WHERE hash = ? AND begun >= ? AND seen >= ?"
        values = (hashed(id), (now - LONGEST).isoformat(), (now - idle).isoformat())
        if (row := await self._database.row(sql, *values)) is None:
            return Session()
        if datetime.fromisoformat(row["seen"]) < now - idle / 10:
            async with self._database.transaction() as tx:
                await tx.execute("UPDATE sessions SET seen = ? WHERE hash = ?", (now.isoformat(), hashed(id)))
        return Session(id, **json.loads(row["data"]))

    async def _store(self, session: Session, headers: MutableHeaders) -> None:
        old = session.id
        if not session:
            if old is None:
                return
            headers.append("set-cookie", f"{COOKIE}=; Path=/; Max-Age=0")
        elif session.stale:
            session.id = secrets.token_urlsafe(32)
            # Lax, not Strict: the provider sends the browser back from another site.
            secure = "; Secure" if self._settings.is_https else ""
            headers.append("set-cookie", f"{COOKIE}={session.id}; Path=/; HttpOnly; SameSite=Lax{secure}")
        now = datetime.now(UTC)
        async with self._database.transaction() as tx:
            if not session or session.stale:
                await tx.execute("DELETE FROM sessions WHERE hash = ?", (hashed(old or ""),))
                await tx.execute("DELETE FROM sessions WHERE begun < ?", ((now - LONGEST).isoformat(),))
            if session:
                assert session.id is not None
                await tx.execute(
                    "INSERT INTO sessions (hash, data, begun, seen) VALUES (?, ?, ?3, ?3)"
                    " ON CONFLICT (hash) DO UPDATE SET data = excluded.data",
                    (hashed(session.id), json.dumps(session), now.isoformat()),
                )


def hashed(secret: str) -> str:
    """Return what is stored of a secret."""
    return sha256(secret.encode()).hexdigest()
