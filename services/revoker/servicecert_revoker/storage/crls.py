"""A CA's CRL numbers, the entries of its CRLs, and the count of its standings, in the database (D7, D8, I8)."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from servicecert_pki.crl_reading import OCTETS
from servicecert_pki.partitions import FULL, MOST_PARTITIONS
from servicecert_schemas.revocation import StandingsCount
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.faults import backoff
from servicecert_worker.storage import columns

from ..domain.crl_orders import PUBLISH, PublishedCrl, Recorded, Size
from . import QUERIES


def octets(serial: str) -> bytes:
    """Return a hexadecimal serial number as the table's sort key."""
    return bytes.fromhex(serial.zfill(2 * OCTETS))


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a CA's CRLs at one moment, read in one transaction.

    Certificates that expire at `since` or later are listed, and those that are `ordered` in any case. `now` is the
    database's time.
    """

    connection: Connection
    issuer: str
    since: datetime
    now: datetime
    ordered: tuple[bytes, ...]

    async def sizes(self) -> Mapping[int, Size]:
        """Return the size of each partition. The full CRL lists all of them; partition 0 is what only it covers."""
        rows = await self.connection.fetch(QUERIES["sizes"], self.issuer, self.since, self.ordered)
        return {row["partition"]: Size(row["entries"], row["octets"]) for row in rows}

    async def partitions_of_ordered(self) -> Mapping[bytes, int]:
        """Return the partition of each ordered serial number that is revoked."""
        rows = await self.connection.fetch(QUERIES["asked"], self.issuer, self.ordered)
        return {row["octets"]: row["partition"] for row in rows}

    def parts(self, partition: int) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield the entries of a CRL, the full one or a partition's, sorted by serial number, in parts.

        Each has their concatenated DER, and their serial numbers, 20 octets each.
        """
        return self._parts("part_of_full") if partition == FULL else self._parts("part_of_partition", partition)

    async def uncovered(self) -> tuple[int, int]:
        """Return the count of the entries that no partition covers, and the sum of their serial numbers."""
        count = total = 0
        for kind, partition in (("part_of_partition", FULL), ("part_of_others", MOST_PARTITIONS)):
            async for _, serials in self._parts(kind, partition):
                numbers = [int.from_bytes(serials[at : at + OCTETS]) for at in range(0, len(serials), OCTETS)]
                count, total = count + len(numbers), total + sum(numbers)
        return count, total

    async def _parts(self, kind: str, *more: int) -> AsyncIterator[tuple[bytes, bytes]]:
        last = b""
        while True:
            row = await self.connection.fetchrow(QUERIES[kind], self.issuer, self.since, self.ordered, last, *more)
            if row is None or row["entries"] is None:
                return
            yield row["entries"], row["serials"]
            last = row["serials"][-OCTETS:]


@dataclass(frozen=True, slots=True)
class CrlStore:
    """One CA's CRLs, locked: another revoker waits until this one is done or its connection is closed."""

    connection: Connection
    issuer: str

    async def allocate(self, published: int, *, scheduled: bool) -> tuple[int, datetime]:
        """Return the next number, stored before its use, and the database's time.

        A failed CRL leaves a gap; no number is used twice.
        """
        row = await self.connection.fetchrow(QUERIES["allocate"], self.issuer, published, scheduled)
        assert row is not None
        return row["number"], row["now"]

    async def intend(self, partitions: Iterable[int], number: int, *, scheduled: bool) -> None:
        """Store that the partitions' CRLs will have this number too."""
        await self.connection.execute(QUERIES["intend"], self.issuer, list(partitions), number, scheduled)

    @asynccontextmanager
    async def listing(self, ordered: Iterable[bytes], this_update: datetime) -> AsyncIterator[Listing]:
        """Yield what CRLs of `this_update` list, with these serial numbers in any case if they are revoked."""
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            row = await self.connection.fetchrow(QUERIES["since"], self.issuer, this_update)
            assert row is not None
            yield Listing(self.connection, self.issuer, row["since"], row["now"], tuple(sorted(ordered)))

    async def partitions(self, configured: int) -> Sequence[int]:
        """Return the partitions in use: those configured, and those that this CA's certificates name, 1,024 at most."""
        rows = await self.connection.fetch(QUERIES["partitions"], self.issuer, configured, MOST_PARTITIONS)
        return [row["partition"] for row in rows]

    async def recorded(self, partitions: Iterable[int]) -> Mapping[int, Recorded]:
        """Return the last published CRL of each of these partitions that has one."""
        rows = await self.connection.fetch(QUERIES["recorded"], self.issuer, list(partitions))
        return {
            row["partition"]: Recorded(
                row["number"], row["entries"], int(row["serial_sum"]), row["sha256"], row["this_update"]
            )
            for row in rows
        }

    async def count_unexpired(self, serials: Collection[int], since: datetime) -> int:
        """Return how many of these serial numbers must not be missing on a CRL."""
        if not serials:
            return 0
        keys = [serial.to_bytes(OCTETS, "big") for serial in serials]
        return len(serials) - len(await self.connection.fetch(QUERIES["vanished"], self.issuer, keys, since))

    async def check_lock(self) -> None:
        """Raise asyncpg's error if the connection is closed, and the lock with it."""
        await self.connection.fetchval("select 1")

    async def record(self, crls: Sequence[tuple[PublishedCrl, int]], published_at: datetime) -> None:
        """Store a pass's CRLs, each with its sum of serial numbers. Raises CheckViolationError after a later one."""
        if not crls:
            return
        first = crls[0][0]
        await self.connection.execute(
            QUERIES["record"],
            self.issuer,
            first.number,
            first.this_update,
            first.next_update,
            published_at,
            *columns([(crl.partition, crl.entries, crl.sha256, total) for crl, total in crls], 4),
        )


async def in_force(pool: "asyncpg.Pool", issuer: str, configured: int) -> Mapping[int, Recorded]:
    """Return the last published CRLs of a CA's partitions in use."""
    async with pool.acquire() as connection:
        store = CrlStore(connection, issuer)
        return await store.recorded(await store.partitions(configured))


async def publish_now(pool: "asyncpg.Pool", schedule: str, now: datetime) -> None:
    """Bring a CA's scheduled CRLs forward. Those that are due or under way stay as they are."""
    await pool.execute(QUERIES["publish_now"], schedule, PUBLISH, now)


@asynccontextmanager
async def open_crl_store(pool: "asyncpg.Pool", issuer: str) -> AsyncIterator[CrlStore]:
    """Lock the CA's CRLs, by two keys, unlike turns, until the connection ends, and yield their store."""
    async with pool.acquire() as connection:
        # Another revoker's pass may take longer than a lock may be waited for. Who waits has the next one.
        async for _ in backoff(longest=1.0):
            with suppress(asyncpg.LockNotAvailableError):
                await connection.execute(QUERIES["lock_crls"], issuer)
                break
        try:
            yield CrlStore(connection, issuer)
        finally:
            if not connection.is_closed():
                await connection.execute(QUERIES["unlock_crls"], issuer)


async def count_standings(
    of: "Connection | asyncpg.Pool", clock: Callable[[], datetime], issuer: str
) -> StandingsCount:
    """Return the count by which an OCSP responder knows that it has all standings.

    What is committed later was decided later than `at`, or is a moment's work.
    """
    row = await of.fetchrow(QUERIES["count_standings"], issuer)
    assert row is not None
    return StandingsCount(at=clock(), **dict(row))
