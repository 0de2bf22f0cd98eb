"""Taking bounces from a Maildir to the ledger: each report is read once, kept as a notice, and moved to `cur`.

Several workers may read the same folder: a mail bounces once, whoever says so first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import asyncpg
from servicecert_worker.clock import Clock
from servicecert_worker.faults import background, error_summary

from ..domain import bounces
from ..domain.ledger import Notice, Wanted
from ..operator.mail_requests import notify
from ..storage import QUERIES

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
_EARLY_SECONDS = 600.0
_UNDER_WAY = ("planned", "deferred")


class BounceReader:
    """Reads the reports in a Maildir. `domain` is what our Message-IDs end with."""

    def __init__(self, maildir: Path, domain: str, pool: asyncpg.Pool[asyncpg.Record], clock: Clock) -> None:
        self._new, self._cur = maildir / "new", maildir / "cur"
        self._domain = domain
        self._pool = pool
        self._clock = clock

    async def run(self) -> NoReturn:
        """Looks into the folder, for ever. What cannot be read or stored now is read later."""
        told = False
        while True:
            try:
                faults = await self.look()
            except Exception as fault:
                faults = [fault]
            if faults and not told:
                log.warning(
                    "bounces cannot be read now", extra={"fault": error_summary(faults[0]), "reports": len(faults)}
                )
            told = bool(faults)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> Sequence[Exception]:
        """Takes what is there, each report once; answers what kept it from taking some. Those that are to be read later hold up no others."""
        faults: list[Exception] = []
        for path in await asyncio.to_thread(self._waiting):
            try:
                content, came = await asyncio.to_thread(_read, path)
            except FileNotFoundError:
                # Another worker has taken it.
                continue
            except OSError as fault:
                faults.append(fault)
                continue
            if await self._take(content, came):
                try:
                    await asyncio.to_thread(self._put_away, path)
                except OSError as fault:
                    faults.append(fault)
        return faults

    def _waiting(self) -> list[Path]:
        if not self._new.is_dir():
            return []
        return sorted(path for path in self._new.iterdir() if path.is_file())

    async def _take(self, content: bytes, came: float) -> bool:
        """Keeps what a report says. False where it is to be read again: a report can be here before the hand-over is in the ledger."""
        bounce = await asyncio.to_thread(bounces.read, content, self._domain)
        if bounce is None:
            log.info("a mail in the folder of bounces reports no failure of a mail of ours")
            return True
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(QUERIES["find_bounced"], bounce.mail_id)
            if row is None:
                log.info("a bounce is of no mail in the ledger", extra={"mail": str(bounce.mail_id)})
                return True
            if row["state"] in _UNDER_WAY:
                if time.time() - came < _EARLY_SECONDS:
                    return False
                # It is tried again, so this report is not of its end; one that is has to count.
                log.info("a bounce is of a mail that is still tried", extra={"mail": str(bounce.mail_id)})
                return True
            notice = Notice(uuid4(), row["case_id"], bounce.mail_id, Wanted.BOUNCE, bounce.status, self._clock())
            if await notify(connection, notice):
                log.warning(
                    "mail bounced",
                    extra={"mail": str(bounce.mail_id), "case": str(row["case_id"]), "status": bounce.status},
                )
        return True

    def _put_away(self, path: Path) -> None:
        self._cur.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            path.rename(self._cur / f"{path.name.partition(':')[0]}:2,S")


def _read(path: Path) -> tuple[bytes, float]:
    """At most one byte more than what is read as a report, and when it came. Raises OSError."""
    with path.open("rb") as file:
        return file.read(bounces.MAX_BYTES + 1), os.fstat(file.fileno()).st_mtime


@asynccontextmanager
async def reading(maildir: Path, domain: str, pool: asyncpg.Pool[asyncpg.Record], clock: Clock) -> AsyncIterator[None]:
    """Reads bounces until the context ends."""
    async with background(BounceReader(maildir, domain, pool, clock).run()):
        yield
