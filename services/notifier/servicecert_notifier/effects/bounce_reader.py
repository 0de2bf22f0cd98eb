"""Reads bounces from a Maildir: each report is stored once as a notice, moved to `cur`, and deleted 90 days later.

Several workers may read the same folder: the first notice of a mail's bounce counts.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import NoReturn, TypeVar
from uuid import uuid4

import asyncpg
from servicecert_worker.core.clock import Clock, ClockWrong
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.faults import end_if_cancelled, error_summary

from ..domain import bounces
from ..domain.settling import NOTICE
from ..domain.task import OPEN, Notice, NoticeKind
from ..storage import QUERIES

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_SECONDS = 5.0
KEPT_SECONDS = 90 * 86_400.0
"""How long operators can look at a report: as long as topics keep records. It names the recipient (E3)."""

_EARLY_SECONDS = 600.0


class BounceReader:
    """Reads the reports in a Maildir. `domain` is the domain of our Message-IDs."""

    def __init__(self, maildir: Path, domain: str, pool: asyncpg.Pool, clock: Clock) -> None:
        self._new, self._cur = maildir / "new", maildir / "cur"
        self._domain = domain
        self._pool = pool
        self._clock = clock

    async def run(self, require_clock: Callable[[], None]) -> NoReturn:
        """Poll the folder for ever, while the clock is right: `require_clock` raises ClockWrong.

        A report that cannot be read or stored now is read later.
        """
        failing = False
        while True:
            faults: Sequence[Exception] = []
            try:
                require_clock()
                faults = await self.poll()
            except ClockWrong:
                # Its guard has said so. Nothing is too old, nor early, by such a clock (F6).
                pass
            except Exception as fault:
                end_if_cancelled()
                faults = [fault]
            if faults and not failing:
                log.warning(
                    "Bounce reports cannot be read or stored, retrying: check folder permissions and database",
                    extra={"error": error_summary(faults[0]), "reports": len(faults)},
                )
            failing = bool(faults)
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> Sequence[Exception]:
        """Process each report in the folder. Return the errors; a report that fails delays no others."""
        faults: list[Exception] = []

        async def in_thread(act: Callable[..., T], *arguments: object) -> T | None:
            """Return what an act on files returns, None if it failed or another worker has processed the file."""
            try:
                return await asyncio.to_thread(act, *arguments)
            except FileNotFoundError:
                return None
            except OSError as fault:
                faults.append(fault)
                return None

        for path in await asyncio.to_thread(self._reports):
            report = await in_thread(_read, path)
            if report is not None and await self._process(*report):
                await in_thread(self._move_to_cur, path)
        await in_thread(self._delete_old)
        return faults

    def _reports(self) -> list[Path]:
        if not self._new.is_dir():
            return []
        return sorted(path for path in self._new.iterdir() if path.is_file())

    async def _process(self, content: bytes, arrived_at: float) -> bool:
        """Store a report's bounce. Return False to read it again: it can arrive before the hand-over is recorded."""
        bounce = await asyncio.to_thread(bounces.read, content, self._domain)
        if bounce is None:
            log.info("Ignored a mail in the bounce folder: it reports no bounce of one of our mails")
            return True
        mail_id, status = bounce
        about = {"mail": str(mail_id)}
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(QUERIES["find_bounced"], mail_id)
            if row is None:
                log.info("Ignored a bounce: the ledger has no such mail", extra=about)
                return True
            if row["state"] in OPEN:
                if time.time() - arrived_at < _EARLY_SECONDS:
                    return False
                # The mail is still retried, so this is not its final report. That one has to count.
                log.info("Ignored a bounce: the mail is still retried", extra=about)
                return True
            notice = Notice(uuid4(), row["case_id"], mail_id, NoticeKind.BOUNCE, status, self._clock())
            if await notify(connection, notice):
                log.warning("Mail bounced", extra={**about, "key": str(row["case_id"]), "status": status})
        return True

    def _delete_old(self) -> None:
        for path in self._cur.iterdir() if self._cur.is_dir() else ():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - KEPT_SECONDS:
                    path.unlink()

    def _move_to_cur(self, path: Path) -> None:
        self._cur.mkdir(exist_ok=True)
        path.rename(self._cur / f"{path.name.partition(':')[0]}:2,S")


def _read(path: Path) -> tuple[bytes, float]:
    """Return a report, cut one byte above the limit, and its time of arrival. Raise OSError."""
    with path.open("rb") as file:
        return file.read(bounces.MAX_BYTES + 1), os.fstat(file.fileno()).st_mtime


async def notify(connection: "Connection | asyncpg.Connection", notice: Notice) -> bool:
    """Store a notice and set its deadline, in the current transaction. Return whether it was new."""
    await connection.execute("select pg_advisory_xact_lock(lock_of('key/' || $1))", str(notice.case_id))
    return bool(await connection.fetchval(QUERIES["notify"], *astuple(notice), NOTICE))
