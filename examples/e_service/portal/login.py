"""Login by OpenID Connect: the provider says who it is, how strongly authenticated, and whom they represent."""

from typing import Any
from uuid import uuid4

from authlib.integrations.starlette_client import OAuth, OAuthError
from joserfc.errors import JoseError
from servicecert_schemas import Assurance
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .database import Database
from .pages import local, portal_of, posted
from .security import is_local
from .sessions import session_of
from .settings import Settings

_LEVELS = {f"http://eidas.europa.eu/LoA/{level}": level for level in Assurance}
"""The levels of assurance of eIDAS, as `acr` has them."""
_STRONG = " ".join(f"http://eidas.europa.eu/LoA/{level}" for level in (Assurance.HIGH, Assurance.SUBSTANTIAL))


def client(settings: Settings) -> Any:
    """Return the client of the provider. It reads the provider's addresses and keys when they are needed first."""
    kept = {"timeout": 10, "transport": settings.transport}
    return OAuth().register(
        "provider",
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        server_metadata_url=f"{settings.provider}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile mandates", "code_challenge_method": "S256", **kept},
    )


async def begin(request: Request) -> Response:
    """Send the browser to the provider, and remember where it is to come back to."""
    portal = portal_of(request)
    portal.logins.check(request.client.host if request.client else "")
    wanted = request.query_params.get("next", "")
    request.session["next"] = wanted if is_local(wanted) else local(request, "/")
    response: Response = await portal.provider.authorize_redirect(
        request, f"{portal.settings.base_url}/login/callback", acr_values=_STRONG
    )
    return response


async def callback(request: Request) -> Response:
    """Take the provider's answer. The session begins anew, with another id."""
    portal = portal_of(request)
    portal.logins.check(request.client.host if request.client else "")
    wanted = request.session.get("next", "/")
    try:
        token = await portal.provider.authorize_access_token(request)
        claims = token["userinfo"]
    except (OAuthError, JoseError, KeyError, ValueError):
        raise HTTPException(400) from None
    user_id = await _user_id(portal.database, claims["iss"], claims["sub"], claims["name"])
    session_of(request).renew()
    request.session["user"] = {
        "id": user_id,
        "name": claims["name"],
        # An unknown level counts as the lowest.
        "assurance": _LEVELS.get(claims.get("acr", ""), Assurance.LOW),
        "mandates": {each["business_id"]: each["name"] for each in claims.get("mandates", ())},
    }
    return RedirectResponse(wanted, 303)


async def end(request: Request) -> Response:
    await posted(request)
    session_of(request).renew()
    return RedirectResponse(local(request, "/"), 303)


async def _user_id(database: Database, issuer: str, subject: str, name: str) -> str:
    """Return our own reference for a person: from it nobody else can tell who it is."""
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO users (id, issuer, subject, name) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (issuer, subject) DO UPDATE SET name = excluded.name",
            (f"user-{uuid4()}", issuer, subject, name),
        )
        (row,) = await tx.execute_fetchall("SELECT id FROM users WHERE issuer = ? AND subject = ?", (issuer, subject))
    return str(row["id"])


ROUTES = [Route("/login", begin), Route("/logout", end, methods=["POST"])]
CALLBACK = Route("/login/callback", callback)
