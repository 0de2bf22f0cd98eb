"""How a handler draws a page, and how it reads a form that somebody sent."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from servicecert_schemas import Deficiency, Language
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .code_service import Unit
from .database import Database
from .forms import Fault
from .live import Changes
from .outbox import Outbox
from .security import MOST_OCTETS, RateLimit
from .sessions import session_of
from .settings import Settings
from .texts import Speaker

# Nothing is marked as safe but by the templates themselves: all that comes from outside is escaped.
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Portal:
    """What all handlers use."""

    settings: Settings
    database: Database
    outbox: Outbox
    changes: Changes
    units: tuple[Unit, ...]
    provider: Any
    logins: RateLimit


def portal_of(request: Request) -> Portal:
    portal: Portal = request.app.state.portal
    return portal


def language_of(request: Request) -> Language:
    """Return the language of the path; of a path without one, what the browser prefers of those that there are."""
    preferred = [part.split(";")[0].strip()[:2] for part in request.headers.get("accept-language", "").split(",")]
    wanted = [request.url.path.split("/")[1], *preferred]
    return Language(next((each for each in wanted if each in set(Language)), Language.SWEDISH))


def local(request: Request, path: str) -> str:
    """Return a path in the language of the request."""
    return f"/{language_of(request)}{path}"


def page(
    request: Request,
    template: str,
    status: int = 200,
    *,
    faults: Sequence[Fault] = (),
    beside: Sequence[tuple[Deficiency, str | None]] = (),
    **values: Any,
) -> Response:
    """Return a page in the language of the request.

    `faults` are the fields that could not be sent, `beside` the authority's deficiencies with the path of their field.
    Both stand in a summary at the top, with links, and at the field.
    """
    language = language_of(request)
    speaker = Speaker(language)
    first, _, rest = request.url.path[1:].partition("/")
    here = f"/{rest}" if first in set(Language) else "/"

    summary: list[tuple[str | None, str]] = [(each.path, speaker.t(f"faults.{each.code}")) for each in faults]
    summary += [(path, deficiency.texts.in_language(language)) for deficiency, path in beside]
    problems: dict[str | None, list[str]] = {}
    for path, problem in summary:
        problems.setdefault(path, []).append(problem)
    text = _TEMPLATES.get_template(template).render(
        t=speaker.t,
        hint=speaker.hint,
        summary=summary,
        problems=problems,
        are_faults=bool(faults),
        named=speaker.named,
        day=speaker.day,
        moment=speaker.moment,
        said=lambda texts: texts.in_language(language),
        language=language,
        languages=list(Language),
        here=here,
        url=lambda path: f"/{language}{path}",
        user=request.session.get("user"),
        csrf=lambda: session_of(request).csrf,
        **values,
    )
    return HTMLResponse(text, status)


async def posted(request: Request) -> FormData:
    """Return the form that was sent. Raise HTTPException 413, and 403 unless it has this session's token (CSRF)."""
    if int(request.headers.get("content-length", "0")) > MOST_OCTETS:
        raise HTTPException(413)
    form = request.state.form = await request.form(max_files=2, max_fields=200, max_part_size=128 * 1024)
    token = form.get("csrf")
    expected = request.session.get("csrf")
    if not expected or not isinstance(token, str) or not hmac.compare_digest(token.encode(), expected.encode()):
        raise HTTPException(403)
    return form


def text(form: FormData, name: str) -> str:
    """Return a field's text; none if it was left out, or is a file."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
