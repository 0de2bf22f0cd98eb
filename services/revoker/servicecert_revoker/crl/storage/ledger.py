"""The numbers of a CA's CRLs, and what each is to list, kept in the database (D7, I8)."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from servicecert_pki.crl_reading import OCTETS
from servicecert_pki.partitions import FULL
from servicecert_worker.decider import Connection

from ...storage import QUERIES
from ..domain.plan import Recorded, Size
from ..domain.publication import PublishedCrl

# Two keys, so that these locks are never those of a turn, which have one.


def octets(serial: str) -> bytes:
    """A hexadecimal serial number as the table orders it."""
    return bytes.fromhex(serial.zfill(2 * OCTETS))


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries of a CRL in DER, one after the other, and their serial numbers, 20 octets each."""

    entries: bytes
    serials: bytes


@dataclass(frozen=True, slots=True)
class Listing:
    """What a CA's CRLs are to list at one moment: read in one transaction, which sees nothing that comes meanwhile.

    `since` is from when on certificates that expire are still listed; `asked` are listed in any case.
    """

    connection: Connection
    issuer: str
    since: datetime
    asked: tuple[bytes, ...]

    async def sizes(self) -> Mapping[int, Size]:
        """How much each partition lists; the full CRL is all of them, 0 those that only it covers."""
        rows = await self.connection.fetch(QUERIES["sizes"], self.issuer, self.since, self.asked)
        return {row["partition"]: Size(row["entries"], row["octets"]) for row in rows}

    async def partitions_asked(self) -> Mapping[bytes, int]:
        """The partition of each of the serial numbers asked for that is revoked."""
        rows = await self.connection.fetch(QUERIES["asked"], self.issuer, self.asked)
        return {row["octets"]: row["partition"] for row in rows}

    def parts(self, partition: int) -> AsyncIterator[Part]:
        """All entries of a CRL, the full one or a partition's, in the order of their serial numbers."""
        return self._parts("part_of_full") if partition == FULL else self._parts("part_of_partition", partition)

    async def uncovered(self) -> tuple[int, int]:
        """How many entries no partition covers, and the sum of their serial numbers."""
        count = total = 0
        async for part in self._parts("part_of_partition", FULL):
            numbers = [int.from_bytes(part.serials[at : at + OCTETS]) for at in range(0, len(part.serials), OCTETS)]
            count, total = count + len(numbers), total + sum(numbers)
        return count, total

    async def _parts(self, kind: str, *more: int) -> AsyncIterator[Part]:
        last = b""
        while True:
            row = await self.connection.fetchrow(QUERIES[kind], self.issuer, self.since, self.asked, last, *more)
            if row is None or row["entries"] is None:
                return
            yield Part(row["entries"], row["serials"])
            last = row["serials"][-OCTETS:]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One CA's CRLs, in the hands of one publisher: whoever else wants to publish waits until it is done or its connection gone."""

    connection: Connection
    issuer: str

    async def allocate(self, published: int, *, scheduled: bool) -> int:
        """The next number, durable before it is used: a CRL that comes to nothing leaves a gap, and nothing repeats it."""
        number: int = await self.connection.fetchval(QUERIES["allocate"], self.issuer, published, scheduled)
        return number

    async def intend(self, partitions: Iterable[int], number: int, *, scheduled: bool) -> None:
        """Write down that the partitions' CRLs will have this number too."""
        await self.connection.execute(QUERIES["intend"], self.issuer, list(partitions), number, scheduled)

    @asynccontextmanager
    async def listing(self, asked: Iterable[bytes]) -> AsyncIterator[Listing]:
        """What is to be listed now, and these serial numbers in any case, if they are revoked."""
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            since = await self.connection.fetchval(QUERIES["since"], self.issuer)
            yield Listing(self.connection, self.issuer, since, tuple(sorted(asked)))

    async def partitions(self) -> int:
        """The greatest partition that a certificate of this CA has."""
        greatest: int = await self.connection.fetchval(QUERIES["highest_partition"], self.issuer)
        return greatest

    async def recorded(self, partitions: Iterable[int]) -> Mapping[int, Recorded]:
        """The last published CRL of each of these partitions, where there is one."""
        rows = await self.connection.fetch(QUERIES["recorded"], self.issuer, list(partitions))
        return {row["partition"]: Recorded(row["entries"], int(row["serial_sum"]), row["sha256"]) for row in rows}

    async def unexpired(self, serials: Collection[int], since: datetime) -> int:
        """How many of these serial numbers have no right to be missing on a CRL."""
        if not serials:
            return 0
        asked = [serial.to_bytes(OCTETS, "big") for serial in serials]
        return len(serials) - len(await self.connection.fetch(QUERIES["vanished"], self.issuer, asked, since))

    async def hold(self) -> None:
        """Raise what asyncpg raises where the connection is gone, and with it the right to publish."""
        await self.connection.fetchval("select 1")

    async def record(self, crls: Sequence[tuple[PublishedCrl, int]], published_at: datetime) -> None:
        """Write down the CRLs of a pass, each with the sum of its serial numbers. Raises asyncpg's CheckViolationError where a later one was first."""
        first = crls[0][0]
        await self.connection.execute(
            QUERIES["record"],
            self.issuer,
            first.number,
            first.this_update,
            first.next_update,
            published_at,
            [crl.partition for crl, _ in crls],
            [crl.entries for crl, _ in crls],
            [crl.sha256 for crl, _ in crls],
            [total for _, total in crls],
        )


@asynccontextmanager
async def open_ledger(pool: "asyncpg.Pool[Any]", issuer: str) -> AsyncIterator[Ledger]:
    """The CA's ledger, alone. The lock lives as long as the connection, so that a publisher that dies leaves none behind."""
    async with pool.acquire() as connection:
        await connection.execute(QUERIES["lock_crls"], issuer)
        try:
            yield Ledger(connection, issuer)
        finally:
            if not connection.is_closed():
                await connection.execute(QUERIES["unlock_crls"], issuer)
