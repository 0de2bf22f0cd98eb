"""Verify and lint every issued certificate again, in parts, so that a run can be interrupted and continued."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg import Record
from servicecert_pki.authority import Authority
from servicecert_worker.core.decider import Done, Outcome, Task
from servicecert_worker.storage import columns

from ..domain.recheck import Rechecked, StoredCertificate, recheck
from ..storage import QUERIES

log = logging.getLogger(__name__)


# Some five seconds of one core.
_PART_SIZE = 1000


@dataclass(frozen=True, slots=True)
class BadCertificate:
    """A certificate with findings: their codes."""

    key: str
    issuer: str
    serial: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run: the counts so far, and the bad certificates of the last part (`found`)."""

    good: int
    bad: int
    ended: bool
    found: tuple[BadCertificate, ...]


async def next_part(connection: Any, authority: Authority, size: int = _PART_SIZE) -> Progress:
    """Check the next part of the current run, or begin one, and store the result.

    A certificate issued meanwhile whose key sorts before the part is left to the next run.
    """
    while True:
        run = await connection.fetchrow(QUERIES["recheck_begin"])
        rows = await connection.fetch(QUERIES["recheck_part"], run["position"], size)
        # No transaction is open meanwhile: this takes long, and the database ends idle ones.
        bad = await asyncio.to_thread(_check, rows, authority)
        ended, good = len(rows) < size, len(rows) - len(bad)
        position = rows[-1]["key"] if rows else run["position"]
        found = columns([(it.key, it.issuer, it.serial, " ".join(it.codes)) for it in bad], 4)
        part = (run["id"], run["position"], position, good, len(bad), ended)
        # Nothing is stored where another process stored the same part first.
        if await connection.fetchval(QUERIES["recheck_store"], *part, *found):
            return Progress(run["good"] + good, run["bad"] + len(bad), ended, bad)


def _check(rows: Sequence[Record], authority: Authority) -> tuple[BadCertificate, ...]:
    bad = []
    for row in rows:
        stored = StoredCertificate(**{**row, "serial": int(row["serial"], 16)})
        codes = recheck(stored, authority.issuers.get(stored.issuer))
        if codes:
            bad.append(BadCertificate(stored.key, stored.issuer, row["serial"], codes))
    return tuple(bad)


@dataclass(frozen=True, repr=False)
class Recheck:
    """The nightly run: a part for each order. A repeated order continues after the last part."""

    pool: "asyncpg.Pool"
    authority: Authority

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        return [await self._part() for _ in tasks]

    async def _part(self) -> Outcome:
        async with self.pool.acquire() as connection:
            progress = await next_part(connection, self.authority)
        for bad in progress.found:
            log.error(
                "alarm: an issued certificate failed the check: %s",
                " ".join(bad.codes),
                extra={"serial": bad.serial, "issuer": bad.issuer, "key": bad.key},
            )
        if progress.ended:
            log.info("Checked all issued certificates: %d good, %d bad", progress.good, progress.bad)
        return Done(Rechecked(ended=progress.ended))
