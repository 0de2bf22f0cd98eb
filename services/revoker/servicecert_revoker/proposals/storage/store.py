"""Where proposals are, as far as the revoker carries them out; what operators may do with them is in the database (migrations/0004)."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record
from pydantic import TypeAdapter
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.decider import Conflict, Connection, Stored

from ...domain.cascade_plan import Item
from ...storage import QUERIES
from ..domain.proposal import MOST_AT_ONCE, Proposal, proposal_key, proposal_of

_ITEMS = TypeAdapter(tuple[Item, ...])


async def load_proposals(connection: Connection, keys: Sequence[str]) -> list[Stored[Proposal]]:
    """The confirmed ones among the keys that are proposals'."""
    ids = [id for key in keys if (id := proposal_of(key)) is not None]
    rows = await connection.fetch(QUERIES["load_proposals"], ids, MOST_AT_ONCE) if ids else []
    return [Stored(proposal_key(row["id"]), row["version"], _proposal(row)) for row in rows]


async def save_proposals(connection: Connection, changed: Sequence[tuple[UUID, int, Proposal]]) -> None:
    """Stores how far each has come, by its id and the version that it was loaded at. Raises Conflict."""
    if not changed:
        return
    ids, versions, states = zip(*changed, strict=True)
    saved = await connection.fetchval(
        QUERIES["save_proposals"],
        ids,
        versions,
        [state.ordered for state in states],
        [state.carried_at for state in states],
        [state.done_at for state in states],
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
    )
