"""Going through the stock: each issued certificate is verified and linted anew, a part at a time, so that it can be stopped and gone on with."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg import Record
from servicecert_pki.authority import Authority
from servicecert_pki.recheck import Stocked, recheck
from servicecert_worker.decider import Done, Outcome, Task

from ..domain.recheck_plan import Rechecked
from ..storage import QUERIES

log = logging.getLogger(__name__)


# Some five seconds of one core.
_PART_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Bad:
    """A certificate with findings, by their codes."""

    key: str
    issuer: str
    serial: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: the certificates so far, and those of the last part that are bad."""

    good: int
    bad: int
    ended: bool
    found: tuple[Bad, ...]


async def next_part(connection: Any, authority: Authority, size: int = _PART_SIZE) -> Progress:
    """Check the next part of the run under way, or begin one; what came of it is durable when this returns.

    A certificate that is issued meanwhile, with a key before the part, is left to the next run.
    """
    while True:
        run = await connection.fetchrow(QUERIES["recheck_begin"])
        rows = await connection.fetch(QUERIES["recheck_part"], run["position"], size)
        # No transaction is open meanwhile: it takes long, and the database ends one that idles.
        found = await asyncio.to_thread(_check, rows, authority)
        ended, good = len(rows) < size, len(rows) - len(found)
        position = rows[-1]["key"] if rows else run["position"]
        columns = [[it.key for it in found], [it.issuer for it in found], [it.serial for it in found]]
        codes = [" ".join(it.codes) for it in found]
        part = (run["id"], run["position"], position, good, len(found), ended)
        # Whoever else took the same part was first where nothing is stored.
        if await connection.fetchval(QUERIES["recheck_store"], *part, *columns, codes):
            return Progress(run["good"] + good, run["bad"] + len(found), ended, found)


def _check(rows: Sequence[Record], authority: Authority) -> tuple[Bad, ...]:
    found = []
    for row in rows:
        stocked = Stocked(**{**row, "serial": int(row["serial"], 16)})
        codes = recheck(stocked, authority.issuers.get(stocked.issuer))
        if codes:
            found.append(Bad(stocked.key, stocked.issuer, row["serial"], codes))
    return tuple(found)


@dataclass(frozen=True, repr=False)
class Recheck:
    """The nightly run as an act: a part for each order. Repeating one goes on where the last part ended."""

    pool: "asyncpg.Pool[Any]"
    authority: Authority

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return [await self._part() for _ in tasks]

    async def _part(self) -> Outcome:
        async with self.pool.acquire() as connection:
            progress = await next_part(connection, self.authority)
        for bad in progress.found:
            log.error(
                "alarm: the certificate %s of %s in the stock is bad: %s", bad.serial, bad.issuer, " ".join(bad.codes)
            )
        if progress.ended:
            log.info("The stock was checked: %d certificates are good, %d bad.", progress.good, progress.bad)
        return Done(Rechecked(ended=progress.ended))
