"""The application: its routes, what stands before every page, and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from servicecert_schemas import Language
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from . import accounts, applications, broker, cases, code_service, login, revocations
from .access import LoginNeeded, TooWeak
from .database import Database
from .live import Changes
from .outbox import Outbox
from .pages import Portal, local, page
from .security import HEADERS, RateLimit, SecurityMiddleware
from .sessions import Session, SessionMiddleware
from .settings import Settings

PAGES: list[BaseRoute] = [*cases.ROUTES, *accounts.ROUTES, *applications.ROUTES, *revocations.ROUTES, *login.ROUTES]


def make_portal(settings: Settings, database: Database) -> Portal:
    changes, limit = Changes(), RateLimit(settings.logins_per_minute)
    units = code_service.read(settings.code_service, datetime.now(UTC).date())
    outbox = Outbox(database, changes.tell)
    return Portal(settings, database, outbox, changes, units, login.client(settings), limit)


def make_app(portal: Portal) -> Starlette:
    """Return the application over what its handlers use."""
    settings = portal.settings
    app = Starlette(
        routes=[
            Route("/", lambda request: RedirectResponse(local(request, "/"), 303)),
            login.CALLBACK,
            cases.ATTACHMENT,
            Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
            *(Mount(f"/{language}", routes=PAGES) for language in Language),
        ],
        middleware=[
            Middleware(SecurityMiddleware, is_https=settings.is_https),
            Middleware(TrustedHostMiddleware, allowed_hosts=[urlsplit(settings.base_url).hostname or ""]),
            Middleware(SessionMiddleware, settings=settings, database=portal.database),
        ],
        exception_handlers={HTTPException: _error, Exception: _fault, LoginNeeded: _login, TooWeak: _weak},
    )
    app.state.portal = portal
    return app


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Starlette]:
    """Open the database, and read and write Kafka beside the application. A fault there ends the application."""
    async with Database.open(settings.folder / "portal.sqlite") as database, asyncio.TaskGroup() as beside:
        portal = make_portal(settings, database)
        kafka = beside.create_task(broker.run(settings, database, portal.outbox, portal.changes))
        try:
            yield make_app(portal)
        finally:
            kafka.cancel()


async def _error(request: Request, error: Exception) -> Response:
    """Say in a sentence why there is no such page, or nothing was done."""
    assert isinstance(error, HTTPException)
    # Of an error that has no words here, those of a request that could not be read.
    status = error.status_code if error.status_code in (403, 404, 405, 409, 413, 429) else 400
    response = page(request, "error.html", error.status_code, error=status)
    response.headers.update(error.headers or {})
    return response


async def _fault(request: Request, _: Exception) -> Response:
    """Say that it is our fault, and nothing of the inside. Starlette calls this outside of all middleware."""
    request.scope.setdefault("session", Session())
    response = page(request, "error.html", 500, error=500)
    response.headers.update(HEADERS)
    return response


async def _login(request: Request, _: Exception) -> Response:
    """Lead to the login, and after it back to the page. Who has sent a form is told that it was not taken."""
    if request.method != "GET":
        return page(request, "error.html", 403, error="session")
    return RedirectResponse(f"{local(request, '/login')}?next={quote(request.url.path)}", 303)


async def _weak(request: Request, _: Exception) -> Response:
    """Tell who is not strongly authenticated why they cannot act."""
    return page(request, "weak.html", 403)
