"""Revocations by the authority, through guarded functions of the revoker's schema (D2, D6)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from servicecert_worker.storage.operator_requests import permitted

from ..faults import UserError, unknown

_LIST = """
    select id, kind, reason, why, login, verifier_sha256, key_sha256, rate, total, proposed_by, proposed_at,
           confirmed_by, confirmed_at, dropped_by, dropped_at, ordered, done_at
    from proposals where ($1::uuid is null or id = $1) and ($2 or (done_at is null and dropped_at is null))
    order by proposed_at
"""
_VALID = """
    select key, standing = 'valid' and not_after > now() as valid
    from operators_certificates where key = any($1::text[])
"""
_STATUS_COUNTS = """
    select c.standing::text as standing, count(*) as certificates, max(c.revoked_at) as last
    from proposal_items as i join operators_certificates as c on c.key = i.key where i.proposal = $1 group by 1
"""
_COUNTS = """
    select c.type, c.issuer, count(*) as certificates, count(distinct c.account_id) as accounts
    from operators_certificates as c where c.key = any($1::text[]) group by 1, 2 order by 1, 2
"""
_COMPROMISED = """
    select k.key_sha256, k.since, k.source,
           count(c.key) filter (where c.standing = 'valid' and c.not_after > now()) as valid,
           count(c.key) filter (where c.standing > 'valid') as revoked
    from compromised_keys as k left join operators_certificates as c on c.key_sha256 = k.key_sha256
    group by k.key_sha256, k.since, k.source order by k.since desc
"""
_ITEMS = "select key from proposal_items where proposal = $1 order by place"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A row of the database. `key_sha256` is set if a key is compromised; `rate` is in certificates a minute.

    `login` is set if it is about an operator's login, `verifier_sha256` if that has a new password.
    """

    id: UUID
    kind: str
    reason: str | None
    why: str
    login: str | None
    verifier_sha256: str | None
    key_sha256: str | None
    rate: int
    total: int
    proposed_by: str
    proposed_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    dropped_by: str | None
    dropped_at: datetime | None
    ordered: int
    done_at: datetime | None

    @property
    def state(self) -> str:
        if self.dropped_by is not None:
            return "dropped"
        if self.confirmed_by is None:
            return "unconfirmed"
        return "running" if self.done_at is None else "done"


async def proposals(
    connection: asyncpg.Connection, id: UUID | None = None, *, everything: bool = False
) -> list[Proposal]:
    """Return the proposals, oldest first: those that are not done or dropped, or all."""
    return [Proposal(**dict(row)) for row in await connection.fetch(_LIST, id, everything)]


async def proposal(connection: asyncpg.Connection, id: UUID) -> Proposal:
    """Return one proposal. Raises UserError."""
    rows = await proposals(connection, id, everything=True)
    if not rows:
        raise unknown("proposal", [id], see="`servicecert proposals list --all`")
    return rows[0]


async def propose(
    connection: asyncpg.Connection,
    kind: str,
    reason: str,
    why: str,
    cases: Sequence[str],
    *,
    rate: int,
    key_sha256: str | None = None,
) -> Proposal:
    """Store a proposal of the session's user, with the valid certificates of cases. Raises UserError, OperatorError."""
    id = uuid4()
    try:
        query = "select propose($1, $2, $3, $4, $5, $6, $7)"
        await permitted(connection.fetchval(query, id, kind, reason, why, key_sha256, rate, list(cases)))
    except asyncpg.ProgramLimitExceededError:
        raise UserError("You have 50 undecided proposals: have some confirmed, or drop them first.") from None
    return await proposal(connection, id)


async def propose_operator(
    connection: asyncpg.Connection, change: str, name: str, verifier: str | None, why: str
) -> Proposal:
    """Propose to make, reset or remove an operator's login, as the session's user. Raises UserError, OperatorError."""
    id = uuid4()
    try:
        query = "select propose_operator($1, $2, $3, $4, $5)"
        await permitted(connection.fetchval(query, id, change, name, verifier, why))
    except asyncpg.InvalidParameterValueError:
        raise UserError(
            f"{name!r} cannot be that operator: a new one takes a name that was never used, a reset or removed one is "
            "in `servicecert proposals operators`.",
            2,
        ) from None
    except asyncpg.CheckViolationError:
        raise UserError(
            "That is no verifier of a password: give the file of `servicecert proposals credential`.", os.EX_DATAERR
        ) from None
    return await proposal(connection, id)


async def operators(connection: asyncpg.Connection) -> list[Mapping[str, Any]]:
    """Return the operators, and those who were."""
    rows = await connection.fetch("select login, since, proposal, removed_at from operators order by since, login")
    return [dict(row) for row in rows]


async def confirm(connection: asyncpg.Connection, id: UUID) -> bool:
    """Confirm as the session's user; return False if already confirmed or dropped. Raises UserError, OperatorError."""
    try:
        return bool(await permitted(connection.fetchval("select confirm($1)", id)))
    except asyncpg.CheckViolationError as fault:
        if fault.constraint_name == "proposals_four_eyes":
            raise UserError("You proposed this yourself: ask another operator to confirm it.", os.EX_NOPERM) from None
        raise UserError(f"That cannot be confirmed: {fault.message}.", os.EX_NOPERM) from None


async def drop(connection: asyncpg.Connection, id: UUID) -> bool:
    """Drop an unconfirmed proposal; return False if there is none. Raises UserError, OperatorError."""
    return bool(await permitted(connection.fetchval("select drop_proposal($1)", id)))


async def status_counts(connection: asyncpg.Connection, id: UUID) -> Mapping[str, int]:
    """Return the number of a proposal's certificates by status: valid, registered, revoked, and so on."""
    return {row["standing"]: row["certificates"] for row in await connection.fetch(_STATUS_COUNTS, id)}


async def counts(connection: asyncpg.Connection, cases: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the number of certificates and accounts among cases, by type and CA."""
    return [dict(row) for row in await connection.fetch(_COUNTS, list(cases))]


async def require_valid(connection: asyncpg.Connection, cases: Sequence[str]) -> None:
    """Raise UserError if one of the cases has no certificate, or none has one that is valid."""
    valid = {row["key"]: row["valid"] for row in await connection.fetch(_VALID, list(cases))}
    if strange := [case for case in cases if case not in valid]:
        raise unknown("certificate of the case", strange, see="`servicecert audit show CASE`")
    if cases and not any(valid.values()):
        raise UserError("None of these certificates is valid any more: there is nothing to revoke.")


async def cases_of(connection: asyncpg.Connection, id: UUID) -> list[str]:
    return [row["key"] for row in await connection.fetch(_ITEMS, id)]


async def compromised(connection: asyncpg.Connection) -> list[Mapping[str, Any]]:
    """Return the compromised keys, newest first, with the number of their valid and revoked certificates."""
    return [dict(row) for row in await connection.fetch(_COMPROMISED)]
