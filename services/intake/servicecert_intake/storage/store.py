"""The table of cases: one row each, with the state in a column that the database guards.

Registers are in each worker's memory, so no event reports their changes to a case. Instead each worker, whenever its
registers have settled, wakes the waiting cases that were judged by other registers (A11).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
from pydantic import TypeAdapter
from servicecert_worker.core.decider import Conflict, Connection, Stored

from ..domain.case import REASSESS, Case
from ..domain.registers.snapshot import Registers
from . import QUERIES
from .prepare import record_keys

CASE = TypeAdapter(Case)

SPREAD = timedelta(seconds=30)
AT_ONCE = 600
"""How many cases are woken at most for each `SPREAD`, so that other work is not delayed."""


class CaseStore:
    """The store of cases: PostgreSQL's table `cases`."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[Case]]:
        """Return the cases that exist among the keys."""
        rows = await connection.fetch(QUERIES["load"], list(keys))
        return [Stored(row["case_id"], row["version"], CASE.validate_json(row["body"])) for row in rows]

    async def save(self, connection: Connection, changed: Sequence[Stored[Case]]) -> None:
        """Store cases and keys. Raise `Conflict` where a case was changed since it was loaded, or two share a key."""
        status = await connection.execute(
            QUERIES["save"],
            [stored.key for stored in changed],
            [stored.version for stored in changed],
            [stored.state.state for stored in changed],
            [stored.state.account_id for stored in changed],
            [CASE.dump_json(stored.state).decode() for stored in changed],
        )
        written = int(status.rsplit(" ", 1)[-1])
        if written != len(changed):
            raise Conflict(f"{len(changed) - written} of {len(changed)} cases were changed by another worker.")
        await record_keys(connection, changed)


async def wake(pool: "asyncpg.Pool", registers: Registers, now: datetime) -> int:
    """Bring forward the reassessment of cases that other registers judged. Return how many were not woken before."""
    woken: int = await pool.fetchval(
        QUERIES["wake"], REASSESS, registers.fingerprint, now, now + SPREAD, AT_ONCE, SPREAD / AT_ONCE
    )
    return woken
