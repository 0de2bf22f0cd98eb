"""A request for revocation: the serial number and the reason, the data to check, and then the sending."""

from datetime import datetime

from pydantic import ValidationError
from servicecert_schemas import Notify, RevocationReason, RevocationRequested, reasons_of
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import outbox
from .access import Membership, User, case_id_of, in_case, user_of
from .drafts import typed_in
from .forms import Fault, Typed
from .pages import language_of, local, page, portal_of, posted, text
from .texts import HELSINKI
from .views import Case

MOST = {"serial": 200, "explanation": 4_000, "email": 500}
"""How long the contract lets each text be."""
FIELDS = (*MOST, "reason", "since")


async def revoke(request: Request) -> Response:
    """Ask for what a request needs, show it to be checked, and send it."""
    portal, user = portal_of(request), user_of(request)
    membership, found = await in_case(portal.database, user, case_id_of(request))
    if found.view is None or found.view.certificate is None:
        raise HTTPException(404)
    if request.method == "GET":
        return _page(request, membership, found, {}, [])
    form = await posted(request)
    typed = typed_in(form)
    event, faults = _event(request, user, membership, found, typed)
    if event is None or text(form, "act") != "send":
        return _page(request, membership, found, typed, faults, is_checked=event is not None and "back" not in typed)
    async with portal.outbox.transaction() as tx:
        await outbox.put(tx, event)
    return RedirectResponse(local(request, f"/cases/{found.case_id}"), 303)


def _event(
    request: Request, user: User, membership: Membership, found: Case, typed: Typed
) -> tuple[RevocationRequested | None, list[Fault]]:
    """Return the event of a request as typed; or none, and what is wrong. The authority judges the serial number."""
    values = {name: "".join(typed.get(name, ())).strip() for name in FIELDS}
    faults = [Fault(name, "missing") for name in ("serial", "reason") if not values[name]]
    faults += [Fault(name, "too-long") for name, most in MOST.items() if len(values[name]) > most]
    allowed = reasons_of(membership.role)
    if values["reason"] and values["reason"] not in allowed:
        faults.append(Fault("reason", "choose"))
    since = None
    try:
        since = datetime.fromisoformat(values["since"]).replace(tzinfo=HELSINKI) if values["since"] else None
    except ValueError:
        faults.append(Fault("since", "malformed"))
    if faults:
        return None, faults
    notify = Notify(email=values["email"], language=language_of(request)) if values["email"] else None
    try:
        event = membership.customer(user).revocation(
            found.case_id,
            values["serial"],
            RevocationReason(values["reason"]),
            values["explanation"] or None,
            since,
            notify,
        )
    except ValidationError:
        # Only the moment is left: one of a year that no certificate is of.
        return None, [Fault("since", "malformed")]
    return event, []


def _page(
    request: Request,
    membership: Membership,
    found: Case,
    typed: Typed,
    faults: list[Fault],
    is_checked: bool = False,
) -> Response:
    allowed = reasons_of(membership.role)
    return page(
        request,
        "check.html" if is_checked else "revoke.html",
        422 if faults else 200,
        case=found,
        view=found.view,
        membership=membership,
        allowed=allowed,
        typed={name: typed.get(name, [""]) for name in FIELDS},
        faults=faults,
    )


ROUTES = [Route("/cases/{case_id}/revocation", revoke, methods=["GET", "POST"])]
