"""Where cases are kept: one row each, with the state that the database guards in a column of its own."""

from collections.abc import Sequence

from pydantic import TypeAdapter
from servicecert_worker.decider import Conflict, Connection, Stored

from ..domain.case import Case
from . import QUERIES
from .prepare import keep

_CASE = TypeAdapter(Case)


class CaseStore:
    """The store of cases: PostgreSQL's table `cases`."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[Case]]:
        """The cases that exist among the keys. A key that is no case, such as a CRL's, has none."""
        rows = await connection.fetch(QUERIES["load"], list(keys))
        return [Stored(row["case_id"], row["version"], _CASE.validate_json(row["body"])) for row in rows]

    async def save(self, connection: Connection, changed: Sequence[Stored[Case]]) -> None:
        """Stores the cases, and whose their keys are. Raises `Conflict` where one was changed since it was loaded, or two come with one key."""
        status = await connection.execute(
            QUERIES["save"],
            [stored.key for stored in changed],
            [stored.version for stored in changed],
            [stored.state.state for stored in changed],
            [stored.state.account_id for stored in changed],
            [_CASE.dump_json(stored.state).decode() for stored in changed],
        )
        written = int(status.rsplit(" ", 1)[-1])
        if written != len(changed):
            raise Conflict(f"{len(changed) - written} of {len(changed)} cases were changed by somebody else.")
        await keep(connection, changed)
