"""Wakes the cases that wait for the registers when these have changed (A11).

No event says to a case that the registers changed: they are in each worker's memory. So each worker, whenever its registers have settled, brings
forward the recheck of every waiting case that others have judged. A case that a worker judged by registers that were a moment behind is found
the same way.
"""

from datetime import datetime, timedelta
from typing import Any

import asyncpg

from ..domain.registers.snapshot import Registers
from ..domain.rules.recheck import RECHECK
from . import QUERIES

SPREAD = timedelta(seconds=30)
AT_ONCE = 600
"""How many cases are woken at most for each `SPREAD`, one after the other, so that other work goes on."""


async def wake(pool: "asyncpg.Pool[Any]", registers: Registers, now: datetime) -> int:
    """Answers how many cases are woken. Those that already are, by this worker or another, stay as they are."""
    woken: int = await pool.fetchval(
        QUERIES["wake"], RECHECK, registers.fingerprint, now, now + SPREAD, AT_ONCE, SPREAD / AT_ONCE
    )
    return woken
