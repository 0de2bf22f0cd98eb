"""The numbers of a CA's CRLs and what each is to list, kept in the database (D7, I8)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from servicecert_pki.crl import RevokedCertificate
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.decider import Connection

from .entries import REASONS
from .publication import PublishedCrl

_SQL = Path(__file__).parent / "sql"
_ALLOCATE = (_SQL / "allocate.sql").read_text()
_LISTED = (_SQL / "listed.sql").read_text()
_RECORD = (_SQL / "record.sql").read_text()
_PARTITIONS = "select coalesce(max(partition), 0) from statuses where issuer = $1"

# Two keys, so that these locks are never those of a turn, which have one.
_LOCK = "select pg_advisory_lock(hashtext(current_schema() || '/crl'), hashtext($1))"
_UNLOCK = "select pg_advisory_unlock(hashtext(current_schema() || '/crl'), hashtext($1))"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a CRL has to list, and its encoding, in the same order."""

    entries: tuple[RevokedCertificate, ...]
    encoded: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One CA's CRLs, in the hands of one publisher: whoever else wants to publish waits until it is done or its connection gone."""

    connection: Connection
    issuer: str

    async def allocate(self, partition: int, published: int, *, scheduled: bool) -> int:
        """The next number, durable before it is used: a CRL that comes to nothing leaves a gap, and nothing repeats it."""
        number: int = await self.connection.fetchval(_ALLOCATE, self.issuer, partition, published, scheduled)
        return number

    async def listed(self, partition: int, serials: Sequence[str]) -> Listed:
        """All that is revoked and still has to be listed, and these serials in any case, if they are revoked."""
        rows = await self.connection.fetch(_LISTED, self.issuer, partition, serials)
        entries = (
            RevokedCertificate(
                int(row["serial"], 16),
                row["revoked_at"],
                REASONS[RevocationReason(row["reason"])],
                row["invalid_since"],
            )
            for row in rows
        )
        return Listed(tuple(entries), tuple(row["entry"] for row in rows))

    async def partitions(self) -> int:
        """The greatest partition that a certificate of this CA has."""
        greatest: int = await self.connection.fetchval(_PARTITIONS, self.issuer)
        return greatest

    async def record(self, crl: PublishedCrl, published_at: datetime) -> None:
        await self.connection.execute(
            _RECORD,
            self.issuer,
            crl.partition,
            crl.number,
            crl.this_update,
            crl.next_update,
            crl.entries,
            crl.sha256,
            published_at,
        )


@asynccontextmanager
async def open_ledger(pool: "asyncpg.Pool[Any]", issuer: str) -> AsyncIterator[Ledger]:
    """The CA's ledger, alone. The lock lives as long as the connection, so that a publisher that dies leaves none behind."""
    async with pool.acquire() as connection:
        await connection.execute(_LOCK, issuer)
        try:
            yield Ledger(connection, issuer)
        finally:
            if not connection.is_closed():
                await connection.execute(_UNLOCK, issuer)
