"""Where cases are kept: one row each, with the state that the database guards in a column of its own.

No event says to a case that the registers changed: they are in each worker's memory. So each worker, whenever its
registers have settled, wakes the cases that wait for them (A11) and that others have judged. One that was judged by
registers that were a moment behind is found the same way.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from pydantic import TypeAdapter
from servicecert_worker.decider import Conflict, Connection, Stored

from ..domain.case import Case
from ..domain.registers.snapshot import Registers
from ..domain.rules.recheck import RECHECK
from . import QUERIES
from .prepare import keep

_CASE = TypeAdapter(Case)

SPREAD = timedelta(seconds=30)
AT_ONCE = 600
"""How many cases are woken at most for each `SPREAD`, one after the other, so that other work goes on."""


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


async def wake(pool: "asyncpg.Pool[Any]", registers: Registers, now: datetime) -> int:
    """Brings forward the recheck of the waiting cases that other registers judged, and answers how many.

    Those that are woken already, by this worker or another, stay as they are.
    """
    woken: int = await pool.fetchval(
        QUERIES["wake"], RECHECK, registers.fingerprint, now, now + SPREAD, AT_ONCE, SPREAD / AT_ONCE
    )
    return woken
