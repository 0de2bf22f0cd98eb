"""Applying for a certificate: the type and the capacity first, then a form with only what these need."""

from datetime import UTC, datetime
from uuid import uuid4

from servicecert_schemas import ApplyingAs, CertificateType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import code_service, drafts, examples, forms, outbox, views
from .access import Membership, User, in_account, user_of
from .pages import language_of, local, page, portal_of, posted, text


async def choose(request: Request) -> Response:
    """Ask for the type and the capacity."""
    membership = await in_account(portal_of(request).database, user_of(request), request.path_params["account_id"])
    wanted = (request.query_params.get("type"), request.query_params.get("applying_as"))
    if wanted[0] in set(CertificateType) and wanted[1] in forms.capacities(CertificateType(wanted[0])):
        return RedirectResponse(local(request, f"/accounts/{membership.account_id}/apply/{wanted[0]}/{wanted[1]}"), 303)
    missing = [name for name, value in zip(("type", "applying_as"), wanted, strict=True) if value is None]
    faults = [] if len(missing) == 2 else [forms.Fault(name, "choose") for name in missing or ["applying_as"]]
    return page(
        request,
        "choose.html",
        422 if faults else 200,
        membership=membership,
        types=list(CertificateType),
        capacities=list(ApplyingAs),
        wanted=wanted,
        faults=faults,
    )


async def apply(request: Request) -> Response:
    """Ask for the rest; of a renewal, with the values of the case that it renews."""
    portal, user = portal_of(request), user_of(request)
    membership = await in_account(portal.database, user, request.path_params["account_id"])
    kind = kind_of(request, membership)
    if request.method == "POST":
        return await _submit(request, user, membership, kind)
    typed = forms.first_values(kind, language_of(request), user.name)
    if portal.settings.examples and "example" in request.query_params:
        long_names = code_service.long_names(portal.units, membership.business_id)
        typed = examples.typed_for(portal.settings.examples, kind.type, long_names)
    for case in await views.of_account(portal.database, membership.account_id, request.query_params.get("renews", "")):
        if request.query_params.get("renews") and case.application and case.view and case.view.certificate:
            typed |= forms.typed_of(case.application.form) | {"follows": [case.view.certificate.serial]}
    return _form(request, membership, kind, typed, [])


def kind_of(request: Request, membership: Membership) -> forms.Kind:
    """Return what a path applies for."""
    try:
        type = CertificateType(request.path_params["type"])
        capacity = ApplyingAs(request.path_params["applying_as"])
    except ValueError:
        raise HTTPException(404) from None
    if capacity not in forms.capacities(type):
        raise HTTPException(404)
    return forms.Kind(type, capacity, code_service.is_public(portal_of(request).units, membership.business_id))


async def _submit(request: Request, user: User, membership: Membership, kind: forms.Kind) -> Response:
    """Store the application and its event in one transaction, and go to the case. A form sent twice is one case."""
    portal, form = portal_of(request), await posted(request)
    draft = await drafts.read(request, form, kind, membership)
    if draft.application is None:
        return _form(request, membership, kind, draft.typed, draft.faults)
    place = (membership.account_id, text(form, "once"))
    event = membership.customer(user).submitted(uuid4(), draft.application, draft.csr)
    stored = draft.application.model_dump_json()
    async with portal.outbox.transaction() as tx:
        inserted = await tx.execute(
            "INSERT OR IGNORE INTO applications (case_id, account_id, once, application, sent) VALUES (?, ?, ?, ?, ?)",
            (str(event.case_id), *place, stored, datetime.now(UTC).isoformat()),
        )
        if inserted.rowcount:
            await outbox.put(tx, event)
    row = await portal.database.row("SELECT case_id FROM applications WHERE account_id = ? AND once = ?", *place)
    assert row is not None
    return RedirectResponse(local(request, f"/cases/{row['case_id']}"), 303)


def _form(
    request: Request, membership: Membership, kind: forms.Kind, typed: forms.Typed, faults: list[forms.Fault]
) -> Response:
    return page(
        request,
        "apply.html",
        422 if faults else 200,
        membership=membership,
        kind=kind,
        groups=forms.fields_of(kind),
        typed=typed,
        faults=faults,
        has_example=portal_of(request).settings.examples is not None,
        once=typed.get("once", [str(uuid4())])[0],
        units=code_service.long_names(portal_of(request).units, membership.business_id),
    )


ROUTES = [
    Route("/accounts/{account_id}/apply", choose),
    Route("/accounts/{account_id}/apply/{type}/{applying_as}", apply, methods=["GET", "POST"]),
]
