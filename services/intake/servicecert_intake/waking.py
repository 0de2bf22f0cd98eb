"""Wakes the cases that wait for the registers when these have changed (A11).

No event says to a case that the registers changed: they are in each worker's memory. So each worker, whenever its registers have settled, brings
forward the recheck of every waiting case that others have judged. A case that a worker judged by registers that were a moment behind is found
the same way.
"""

from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

import asyncpg

from .registers import Registers
from .rules.recheck import RECHECK

SPREAD = timedelta(seconds=30)
AT_ONCE = 600
"""How many cases are woken at most for each `SPREAD`, one after the other, so that other work goes on."""

_WAKE = files(__package__).joinpath("sql").joinpath("wake.sql").read_text(encoding="utf-8")


async def wake(pool: "asyncpg.Pool[Any]", registers: Registers, now: datetime) -> int:
    """Answers how many cases are woken. Those that already are, by this worker or another, stay as they are."""
    woken: int = await pool.fetchval(
        _WAKE, RECHECK, registers.fingerprint, now, now + SPREAD, AT_ONCE, SPREAD / AT_ONCE
    )
    return woken
