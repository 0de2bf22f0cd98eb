"""The provider: the code flow of OpenID Connect with PKCE, for one client, with ID tokens signed by joserfc."""

import secrets
import time
import tomllib
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent
STYLE = FOLDER.parent / "portal" / "static" / "style.css"
PEOPLE = tomllib.loads((FOLDER / "people.toml").read_text(encoding="utf-8"))
LEVELS = ("high", "substantial", "low")
CODE_SECONDS = 60.0
_TEMPLATES = Environment(loader=FileSystemLoader(FOLDER), autoescape=True)


@dataclass(frozen=True)
class Client:
    """The one client. It logs in with its secret, and people are sent back to one address of it."""

    id: str
    secret: str
    redirect_uri: str


@dataclass(frozen=True)
class Code:
    """What a code stands for: who logged in and how strongly, and what the client asked."""

    person: str
    level: str
    nonce: str
    challenge: str
    ends: float


class Provider:
    """Hands out codes, and takes each once for an ID token."""

    def __init__(self, issuer: str, client: Client) -> None:
        self.issuer, self.client = issuer, client
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self._codes: dict[str, Code] = {}

    def fault(self, asked: Mapping[str, str]) -> str | None:
        """Return what is wrong with a client's request. The person is told: nobody is sent to an unknown address."""
        for name, expected in (
            ("client_id", self.client.id),
            ("redirect_uri", self.client.redirect_uri),
            ("response_type", "code"),
            ("code_challenge_method", "S256"),
        ):
            if asked.get(name) != expected:
                return f"{name} is not the client's"
        missing = [name for name in ("state", "nonce", "code_challenge") if not asked.get(name)]
        return f"{missing[0]} is missing" if missing else None

    def code(self, asked: Mapping[str, str], person: str, level: str) -> str:
        code = secrets.token_urlsafe(32)
        ends = time.monotonic() + CODE_SECONDS
        self._codes[code] = Code(person, level, asked["nonce"], asked["code_challenge"], ends)
        return code

    def id_token(self, form: Mapping[str, str]) -> str | None:
        """Return the token for a code; None, if it is unknown, used or too old, or its verifier does not match."""
        code = self._codes.pop(form.get("code", ""), None)
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        if code is None or code.ends < time.monotonic() or not compare_digest(challenge, code.challenge):
            return None
        person, now = PEOPLE[code.person], int(time.time())
        claims = {
            **{"iss": self.issuer, "aud": self.client.id, "iat": now, "exp": now + 300, "nonce": code.nonce},
            "sub": code.person,
            "acr": f"http://eidas.europa.eu/LoA/{code.level}",
            "name": person["name"],
            "mandates": [{"business_id": id, "name": name} for id, name in person.get("mandates", {}).items()],
        }
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def is_client(self, authorization: str) -> bool:
        """Return whether a header has the client's id and secret (HTTP Basic)."""
        try:
            given = b64decode(authorization.removeprefix("Basic "), validate=True)
        except ValueError:
            return False
        return compare_digest(given, f"{self.client.id}:{self.client.secret}".encode())


async def _form(request: Request) -> dict[str, str]:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def make_app(issuer: str, client: Client) -> Starlette:
    """Return the provider of these people for one client."""
    provider = Provider(issuer, client)

    async def authorize(request: Request) -> Response:
        """Ask who it is, and send the browser back with a code."""
        asked, form = request.query_params, await _form(request)
        if fault := provider.fault(asked):
            return PlainTextResponse(fault, 400)
        person, level = form.get("person"), form.get("level")
        if person not in PEOPLE or level not in LEVELS:
            return HTMLResponse(_TEMPLATES.get_template("login.html").render(people=PEOPLE, levels=LEVELS))
        answer = {"code": provider.code(asked, person, level), "state": asked["state"]}
        return RedirectResponse(f"{client.redirect_uri}?{urlencode(answer)}", 303)

    async def token(request: Request) -> Response:
        if not provider.is_client(request.headers.get("authorization", "")):
            return JSONResponse({"error": "invalid_client"}, 401)
        id_token = provider.id_token(await _form(request))
        if id_token is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        # The access token opens nothing: all that the client learns is in the ID token.
        answer = {"token_type": "Bearer", "access_token": secrets.token_urlsafe(32), "expires_in": 60}
        return JSONResponse(answer | {"id_token": id_token})

    metadata = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    }
    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", lambda _: JSONResponse(metadata)),
            Route("/keys", lambda _: JSONResponse({"keys": [provider.key.as_dict(private=False)]})),
            Route("/authorize", authorize, methods=["GET", "POST"]),
            Route("/token", token, methods=["POST"]),
            Route("/style.css", lambda _: FileResponse(STYLE)),
        ]
    )
