"""Customer accounts: opening one, inviting and removing members, and following an invitation."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import aiosqlite
from servicecert_schemas import Customer, Role
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import outbox
from .access import Membership, User, in_account, user_of
from .forms import Fault
from .pages import local, page, portal_of, posted, text
from .sessions import hashed

INVITATION = timedelta(days=14)
INVITED = (Role.COLLEAGUE, Role.TECHNICAL_PARTNER)
"""The roles of an account. A technical contact is invited to a case, on its page."""


async def open_account(request: Request) -> Response:
    """Open the account of an organisation that the user represents: the user is its first member."""
    portal, user = portal_of(request), user_of(request)
    taken = {row["business_id"] for row in await portal.database.rows("SELECT business_id FROM accounts")}
    free = {business_id: name for business_id, name in user.mandates.items() if business_id not in taken}
    if request.method == "GET":
        return page(request, "open_account.html", free=free)
    business_id = text(await posted(request), "business_id")
    if business_id not in free:
        return page(request, "open_account.html", 422, free=free, faults=[Fault("business_id", "choose")])
    membership = Membership(f"account-{uuid4()}", business_id, free[business_id], Role.COLLEAGUE)
    event = membership.customer(user).opened(business_id, membership.organisation_name)
    async with portal.outbox.transaction() as tx:
        opened = await tx.execute(
            "INSERT OR IGNORE INTO accounts (id, business_id, organisation_name) VALUES (?, ?, ?)",
            (membership.account_id, business_id, membership.organisation_name),
        )
        if not opened.rowcount:
            raise HTTPException(409)
        await _add(tx, membership.account_id, user.id, Role.COLLEAGUE, "")
        await outbox.put(tx, event)
    return RedirectResponse(local(request, f"/accounts/{membership.account_id}"), 303)


async def account(request: Request) -> Response:
    """Show the members; invite or remove one."""
    portal, user = portal_of(request), user_of(request)
    membership = await in_account(portal.database, user, request.path_params["account_id"])
    link, faults = None, []
    if request.method == "POST":
        form = await posted(request)
        if removed := text(form, "remove"):
            await _remove(request, user, membership, removed)
            return RedirectResponse(local(request, f"/accounts/{membership.account_id}"), 303)
        role = text(form, "role")
        if role in INVITED:
            link = await invite(request, user, membership, Role(role))
        else:
            faults = [Fault("role", "choose")]
    members = await portal.database.rows(
        "SELECT user_id, name, role, case_id FROM members m JOIN users u ON u.id = m.user_id"
        " WHERE account_id = ? ORDER BY role, name",
        membership.account_id,
    )
    return page(
        request,
        "account.html",
        422 if faults else 200,
        membership=membership,
        members=members,
        roles=INVITED,
        link=link,
        faults=faults,
        myself=user.id,
    )


async def invite(request: Request, user: User, membership: Membership, role: Role, case_id: str = "") -> str:
    """Store an invitation and return its link, which works once. Only the hash of its secret is kept.

    The event follows when somebody accepts it: only then is it known who is invited.
    """
    secret = secrets.token_urlsafe(32)
    async with portal_of(request).database.transaction() as tx:
        await tx.execute("DELETE FROM invitations WHERE ends < ?", (datetime.now(UTC).isoformat(),))
        await tx.execute(
            "INSERT INTO invitations (hash, account_id, role, case_id, inviter, ends) VALUES (?, ?, ?, ?, ?, ?)",
            (
                hashed(secret),
                membership.account_id,
                role,
                case_id,
                membership.customer(user).model_dump_json(),
                (datetime.now(UTC) + INVITATION).isoformat(),
            ),
        )
    return f"{portal_of(request).settings.base_url}{local(request, f'/invitations/{secret}')}"


async def follow(request: Request) -> Response:
    """Show who invites and to what; accept it."""
    portal, user = portal_of(request), user_of(request)
    secret = request.path_params["secret"]
    found = await portal.database.row(
        "SELECT i.*, organisation_name, name FROM invitations i JOIN accounts a ON a.id = i.account_id"
        # Who was removed meanwhile invites nobody.
        " JOIN members m ON m.account_id = a.id AND m.role = ?3 AND m.user_id = json_extract(inviter, '$.user_id')"
        " JOIN users u ON u.id = m.user_id WHERE hash = ?1 AND ends > ?2",
        hashed(secret),
        datetime.now(UTC).isoformat(),
        Role.COLLEAGUE,
    )
    if found is None:
        raise HTTPException(404)
    if request.method == "GET":
        return page(request, "invitation.html", invitation=found)
    await posted(request)
    case_id = UUID(found["case_id"]) if found["case_id"] else None
    event = Customer.model_validate_json(found["inviter"]).invited(user.id, Role(found["role"]), case_id)
    async with portal.outbox.transaction() as tx:
        used = await tx.execute("DELETE FROM invitations WHERE hash = ?", (hashed(secret),))
        sql = "SELECT 1 FROM members WHERE account_id = ? AND user_id = ? AND role = ?"
        # A colleague may do all already: no invitation takes that away.
        is_colleague = await tx.execute_fetchall(sql, (found["account_id"], user.id, Role.COLLEAGUE))
        if used.rowcount and not is_colleague:
            await _add(tx, found["account_id"], user.id, Role(found["role"]), found["case_id"])
            await outbox.put(tx, event)
    return RedirectResponse(local(request, f"/cases/{found['case_id']}" if found["case_id"] else "/"), 303)


async def _add(tx: aiosqlite.Connection, account_id: str, user_id: str, role: Role, case_id: str) -> None:
    await tx.execute(
        "INSERT OR REPLACE INTO members (account_id, user_id, role, case_id) VALUES (?, ?, ?, ?)",
        (account_id, user_id, role, case_id),
    )


async def _remove(request: Request, user: User, membership: Membership, removed: str) -> None:
    """Remove all memberships of a user. Nobody removes themselves, so an account always has a member."""
    portal = portal_of(request)
    if removed == user.id:
        raise HTTPException(409)
    async with portal.outbox.transaction() as tx:
        place = (membership.account_id, removed)
        for row in await tx.execute_fetchall("SELECT * FROM members WHERE account_id = ? AND user_id = ?", place):
            case_id = UUID(row["case_id"]) if row["case_id"] else None
            await outbox.put(tx, membership.customer(user).removed(removed, Role(row["role"]), case_id))
        await tx.execute("DELETE FROM members WHERE account_id = ? AND user_id = ?", place)


ROUTES = [
    Route("/accounts/new", open_account, methods=["GET", "POST"]),
    Route("/accounts/{account_id}", account, methods=["GET", "POST"]),
    Route("/invitations/{secret}", follow, methods=["GET", "POST"]),
]
