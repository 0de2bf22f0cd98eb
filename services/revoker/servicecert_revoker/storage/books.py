"""All that the revoker decides on and keeps: certificates' standings and operators' proposals."""

from collections.abc import Sequence

from servicecert_worker.decider import Connection, Stored

from ..domain.decide import State
from ..proposals.domain.proposal import Proposal
from ..proposals.storage.store import load_proposals, save_proposals
from .store import StatusStore


class Books:
    """A `Store` of both."""

    def __init__(self) -> None:
        self._statuses = StatusStore()

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[State]]:
        found: list[Stored[State]] = [
            Stored(each.key, each.version, each.state) for each in await self._statuses.load(connection, keys)
        ]
        found += [Stored(each.key, each.version, each.state) for each in await load_proposals(connection, keys)]
        return found

    async def save(self, connection: Connection, changed: Sequence[Stored[State]]) -> None:
        """Raises Conflict; asyncpg's constraint violations where a revocation would be undone."""
        proposals = [(each.state.id, each.version, each.state) for each in changed if isinstance(each.state, Proposal)]
        statuses = [
            Stored(each.key, each.version, each.state) for each in changed if not isinstance(each.state, Proposal)
        ]
        await save_proposals(connection, proposals)
        if statuses:
            await self._statuses.save(connection, statuses)
