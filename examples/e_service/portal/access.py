"""Who is logged in, and which accounts and cases they may see.

Nothing here decides what the authority grants: it checks every event again, by the topic `accounts` (A2, A3). This is
what the e-service shows and offers.
"""

from dataclasses import dataclass
from uuid import UUID

from servicecert_schemas import Assurance, Customer, Role
from starlette.exceptions import HTTPException
from starlette.requests import Request

from . import views
from .database import Database


class LoginNeeded(Exception):
    """Nobody is logged in, or no longer."""


class TooWeak(Exception):
    """The user's authentication is below *substantial*, so they may not act."""


@dataclass(frozen=True)
class User:
    """Who is logged in: our reference for them, and the organisations that they represent, by business id."""

    id: str
    name: str
    assurance: Assurance
    mandates: dict[str, str]


@dataclass(frozen=True)
class Membership:
    """The role of a user in an account; of a technical contact, in one case of it."""

    account_id: str
    business_id: str
    organisation_name: str
    role: Role
    case_id: str = ""

    @property
    def is_colleague(self) -> bool:
        return self.role is Role.COLLEAGUE

    def customer(self, user: User) -> Customer:
        """Return the user as one who acts for this account."""
        return Customer(user_id=user.id, account_id=self.account_id, assurance=user.assurance, role=self.role)


def user_of(request: Request) -> User:
    """Return who is logged in. Raises LoginNeeded and TooWeak."""
    found = request.session.get("user")
    if found is None:
        raise LoginNeeded
    user = User(**{**found, "assurance": Assurance(found["assurance"])})
    if user.assurance is Assurance.LOW:
        raise TooWeak
    return user


async def memberships(database: Database, user: User) -> list[Membership]:
    """Return all that a user is invited to, by the organisation's name."""
    rows = await database.rows(
        "SELECT account_id, business_id, organisation_name, role, case_id FROM members m"
        " JOIN accounts a ON a.id = m.account_id WHERE user_id = ? ORDER BY organisation_name, role, case_id",
        user.id,
    )
    return [Membership(**{**dict(row), "role": Role(row["role"])}) for row in rows]


async def in_account(database: Database, user: User, account_id: str) -> Membership:
    """Return a colleague's membership. To all others there is no such page."""
    for membership in await memberships(database, user):
        if membership.account_id == account_id and membership.is_colleague:
            return membership
    raise HTTPException(404)


async def in_case(database: Database, user: User, case_id: str) -> tuple[Membership, views.Case]:
    """Return a case and the membership by which the user may see it.

    There is one answer to all others: an outsider cannot tell whether the case exists (A2).
    """
    for membership in await memberships(database, user):
        if membership.case_id in ("", case_id) and (
            found := await views.of_account(database, membership.account_id, case_id)
        ):
            return membership, found[0]
    raise HTTPException(404)


def case_id_of(request: Request) -> str:
    """Return the case that a path names, as the data write it. What is no id names no case."""
    try:
        return str(UUID(request.path_params["case_id"]))
    except ValueError:
        raise HTTPException(404) from None
