"""The list of permits and matters, and the page of one case, with all that its people can do there."""

import json
from base64 import b64decode
from collections.abc import Sequence
from ssl import DER_cert_to_PEM_cert as pem

from servicecert_schemas import ApplyingAs, CaseState, Role
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from . import accounts, chain, code_service, drafts, forms, live, outbox, views
from .access import Membership, User, case_id_of, in_case, memberships, user_of
from .pages import Portal, local, page, portal_of, posted, text

INCOMPLETE = frozenset({CaseState.RETURNED, CaseState.WAITING_FOR_CSR})
WITHDRAWABLE = INCOMPLETE | {CaseState.SUBMITTED, CaseState.ACCEPTED}


async def front(request: Request) -> Response:
    """Show “Beviljade tillstånd och ofullbordade ärenden”; to who is not logged in, what this is."""
    if "user" not in request.session:
        return page(request, "welcome.html")
    portal, user = portal_of(request), user_of(request)
    listed = [
        (each, await views.of_account(portal.database, each.account_id, each.case_id))
        for each in await memberships(portal.database, user)
    ]
    return page(request, "list.html", listed=listed)


async def case(request: Request) -> Response:
    """Show a case; do in it what its page offers."""
    portal, user = portal_of(request), user_of(request)
    membership, found = await in_case(portal.database, user, case_id_of(request))
    if request.method == "GET":
        return await _show(request, membership, found)
    form = await posted(request)
    here = RedirectResponse(local(request, f"/cases/{found.case_id}"), 303)
    match text(form, "act"):
        case "csr":
            csr, faults = await drafts.csr_of(form)
            if csr is None:
                faults = faults or [forms.Fault("csr", "missing")]
                return await _show(request, membership, found, faults=faults)
            await _put(portal, membership.customer(user).attached(found.case_id, csr))
            return here
        case "supplement" if membership.is_colleague and found.application:
            draft = await _supplement(request, user, membership, found)
            return await _show(request, membership, found, draft.typed, draft.faults) if draft.faults else here
        case "withdraw" if membership.is_colleague:
            await _put(portal, membership.customer(user).withdrawn(found.case_id))
            return here
        case "invite" if membership.is_colleague:
            link = await accounts.invite(request, user, membership, Role.TECHNICAL_CONTACT, str(found.case_id))
            return await _show(request, membership, found, link=link)
    raise HTTPException(403)


async def _put(portal: Portal, event: outbox.Event) -> None:
    async with portal.outbox.transaction() as tx:
        await outbox.put(tx, event)


async def _supplement(request: Request, user: User, membership: Membership, found: views.Case) -> drafts.Draft:
    """Send the whole form and all attachments again."""
    portal, form = portal_of(request), await posted(request)
    assert found.application is not None
    kind = _kind(portal, membership, found, text(form, "applying_as"))
    draft = await drafts.read(request, form, kind, membership, found.application.attachments)
    if draft.application is not None:
        async with portal.outbox.transaction() as tx:
            values = (draft.application.model_dump_json(), str(found.case_id))
            await tx.execute("UPDATE applications SET application = ? WHERE case_id = ?", values)
            await outbox.put(tx, membership.customer(user).supplemented(found.case_id, draft.application, draft.csr))
    return draft


def _kind(portal: Portal, membership: Membership, found: views.Case, capacity: str = "") -> forms.Kind:
    """Return what the supplement is for. Where the authority asks for the conformity certificate, so does the form."""
    assert found.application is not None
    asked = found.view is not None and any(each.field == "attachments" for each in found.view.deficiencies)
    is_public = not asked and code_service.is_public(portal.units, membership.business_id)
    type, before = found.application.type, found.application.applying_as
    return forms.Kind(type, ApplyingAs(capacity) if capacity in forms.capacities(type) else before, is_public)


async def _show(
    request: Request,
    membership: Membership,
    found: views.Case,
    typed: forms.Typed | None = None,
    faults: Sequence[forms.Fault] = (),
    link: str | None = None,
) -> Response:
    portal, view = portal_of(request), found.view
    state = view.state if view else None
    groups: dict[str, list[forms.Field]] = {}
    attaching = forms.REQUEST if state in INCOMPLETE else ()
    if found.application and membership.is_colleague and state in INCOMPLETE:
        kind = _kind(portal, membership, found)
        capacity = forms.Field("applying_as", "choice", needed=True, choices=forms.capacities(kind.type))
        groups = {"capacity": [capacity]} | forms.fields_of(kind)
        conformity = {
            name: [str(getattr(each, name))]
            for each in found.application.attachments
            for name in ("certificate_number", "valid_from", "valid_to")
        }
        typed = typed or forms.typed_of(found.application.form) | conformity
        # Where only the request is missing, it has a form of its own; else it goes with the rest.
        if state == CaseState.WAITING_FOR_CSR:
            del groups["request"]
        else:
            attaching = ()
    fields = [field for each in groups.values() for field in each] + list(attaching)
    refusals = await views.refusals(portal.database, found.case_id)
    return page(
        request,
        "case.html",
        422 if faults else 200,
        case=found,
        view=view,
        membership=membership,
        groups=groups,
        typed=typed or {},
        faults=faults,
        beside=[(each, forms.place_of(each, fields)) for each in (view.deficiencies if view else ())],
        pending=await portal.outbox.pending(found.case_id),
        refusals=refusals,
        attaching=attaching,
        withdrawable=state in WITHDRAWABLE,
        stamp=await _stamp(portal, found),
        link=link,
        is_chained=portal.settings.ca_certificates is not None,
        units=code_service.long_names(portal.units, membership.business_id),
    )


async def _stamp(portal: Portal, found: views.Case) -> str:
    """Return what changes whenever the page of a case would."""
    (known,) = await views.of_account(portal.database, found.account_id, str(found.case_id)) or (found,)
    pending = await portal.outbox.pending(found.case_id)
    refused = await views.refusals(portal.database, found.case_id)
    return f"{known.view.version if known.view else 0}-{len(pending)}-{len(refused)}"


async def follow(request: Request) -> Response:
    """Stream the stamps of a case."""
    portal = portal_of(request)
    _, found = await in_case(portal.database, user_of(request), case_id_of(request))
    events = live.stamps(portal.changes, str(found.case_id), lambda: _stamp(portal, found))
    return StreamingResponse(events, media_type="text/event-stream")


async def certificate(request: Request) -> Response:
    """Give the certificate, or the chain above it, to who has lost the mail."""
    portal, folder = portal_of(request), portal_of(request).settings.ca_certificates
    _, found = await in_case(portal.database, user_of(request), case_id_of(request))
    if found.view is None or found.view.certificate is None or found.view.certificate.der is None:
        raise HTTPException(404)
    der, name = b64decode(found.view.certificate.der), found.view.certificate.serial
    match request.path_params["ending"]:
        case "der":
            content, media_type, name = der, "application/pkix-cert", f"{name}.der"
        case "pem":
            content, media_type, name = pem(der).encode(), "application/x-pem-file", f"{name}.pem"
        case "chain" if folder and (above := list(chain.above(der, folder))):
            content, media_type = "".join(map(pem, above)).encode(), "application/pem-certificate-chain"
            name = f"{name}-chain.pem"
        case _:
            raise HTTPException(404)
    return Response(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})


async def attachment(request: Request) -> Response:
    """Give an attachment to the colleagues of its account: to be saved, and never shown as a page."""
    portal, digest = portal_of(request), request.path_params["sha256"]
    colleagues = [each.account_id for each in await memberships(portal.database, user_of(request)) if each.is_colleague]
    row = await portal.database.row(
        "SELECT sha256 FROM files WHERE sha256 = ? AND account_id IN (SELECT value FROM json_each(?))",
        digest,
        json.dumps(colleagues),
    )
    if row is None:
        raise HTTPException(404)
    path = portal.settings.folder / "attachments" / row["sha256"]
    headers = {"content-security-policy": "default-src 'none'; sandbox"}
    return FileResponse(path, media_type="application/octet-stream", filename=row["sha256"], headers=headers)


ROUTES = [
    Route("/", front),
    Route("/cases/{case_id}", case, methods=["GET", "POST"]),
    Route("/cases/{case_id}/live", follow),
    Route("/cases/{case_id}/certificate.{ending}", certificate),
]
ATTACHMENT = Route("/attachments/{sha256}", attachment)
