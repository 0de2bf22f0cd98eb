"""Stores the progress of proposals. What operators may do with them is in the database (migrations/)."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record
from pydantic import TypeAdapter
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.core.decider import Conflict, Connection
from servicecert_worker.storage import columns

from ..domain.authority_requests import MOST_AT_ONCE, Item, Proposal, Waiting, proposal_key, proposal_of
from . import QUERIES

_ITEMS = TypeAdapter(tuple[Item, ...])


async def load_proposals(connection: Connection, keys: Sequence[str]) -> list[tuple[str, int, Proposal]]:
    """Return the proposals among the keys that are confirmed or stopped cascades, each with its key and its version."""
    ids = [id for key in keys if (id := proposal_of(key)) is not None]
    rows = await connection.fetch(QUERIES["load_proposals"], ids, MOST_AT_ONCE) if ids else []
    return [(proposal_key(row["id"]), row["version"], _proposal(row)) for row in rows]


async def save_proposals(connection: Connection, changed: Sequence[tuple[int, Proposal]]) -> None:
    """Store the progress of proposals, each with the version that was loaded. Raises Conflict."""
    saved = await connection.fetchval(
        QUERIES["save_proposals"],
        *columns([(it.id, version, it.ordered, it.carried_at, it.done_at) for version, it in changed], 5),
    )
    if saved != len(changed):
        raise Conflict(f"{len(changed) - saved} of {len(changed)} proposals were changed by another worker.")


def _proposal(row: Record) -> Proposal:
    return Proposal(
        id=row["id"],
        reason=RevocationReason(row["reason"]),
        operators=row["operators"],
        key_sha256=row["key_sha256"],
        rate=row["rate"],
        total=row["total"],
        ordered=row["ordered"],
        carried_at=row["carried_at"],
        next=_ITEMS.validate_json(row["next"]),
        done_at=row["done_at"],
        waiting=None if row["first_case"] is None else Waiting(row["proposed_at"], UUID(row["first_case"])),
    )
