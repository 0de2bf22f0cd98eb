"""One pass over a CA's CRLs: number, list, check, sign, publish, fetch back, record. A failure leaves the old CRLs.

A pass makes the full CRL and the partitions that orders name or that are outdated; a scheduled one makes all. All list
what the database holds at one moment. Those with new revocations come first; each is fetched back once it is copied.
A CRL that cannot be copied or fetched holds no other up: it is not recorded, so the next pass makes it again (F5).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic

import asyncpg
from servicecert_pki.ca_signing import sign_crl
from servicecert_pki.crl import CrlFile, CrlHead, CrlUnsound, ReadBack
from servicecert_pki.crl_reading import OCTETS, SerialSet
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.revocation import StandingsCount
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.faults import first_of, run_together

from ..domain import crl_gates as gates
from ..domain.crl_orders import (
    CrlVersion,
    PublishedCrl,
    PublishOrder,
    Size,
    by_urgency,
    is_scheduled,
    partitions_to_publish,
)
from ..storage.crls import CrlStore, Listing, count_standings, octets, open_crl_store
from .files import CrlFiles
from .places import ADDRESS, Distribution, NotPublished

_MOST_SECONDS = 120.0
_FETCHES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class UnsignedCrl:
    """A CRL that is written but neither signed nor checked."""

    partition: int
    file: CrlFile
    expected: gates.Expected


@dataclass(frozen=True, slots=True)
class CheckedCrl:
    """A CRL that passed the gates and is signed; `listed` and `sha256` are of what was read back."""

    partition: int
    path: Path
    head: CrlHead
    listed: SerialSet
    sha256: str


@dataclass(frozen=True, slots=True)
class CrlBuilder:
    """Builds, checks and signs the CRLs of one pass in `folder`: a CA's key signs what passed (D7, F3).

    `head` gives a CRL's head by partition, `published` the present CRL. `ahead` is how far a trial's clock runs ahead.
    """

    store: CrlStore
    key: SigningKey
    head: Callable[[int], CrlHead]
    published: Mapping[int, CrlVersion | None]
    folder: Path
    files: CrlFiles
    ahead: timedelta
    interval: timedelta

    async def build(self, orders: Sequence[PublishOrder]) -> list[CheckedCrl]:
        """Return the signed CRLs for the orders, the full one last. Raises GateFailed, OSError, KeyUnavailable."""
        ordered = {octets(order.serial): order.partition for order in orders if order.serial is not None}
        recorded = await self.store.recorded(self.published)
        async with self.store.listing(ordered, self.head(FULL).this_update) as listing:
            gates.check_not_ahead(self.head(FULL).this_update, listing.now + self.ahead)
            gates.check_ordered(ordered, await listing.partitions_of_ordered())
            sizes = await listing.sizes()
            outdated = self.head(FULL).this_update - self.interval
            partitions = partitions_to_publish(orders, sizes, recorded, self.published, outdated)
            unsigned = [await self._write(listing, partition, sizes) for partition in sorted(partitions, reverse=True)]
            uncovered = await listing.uncovered()
        parts = [crl.partition for crl in unsigned if crl.partition != FULL]
        await self.store.intend(parts, unsigned[-1].expected.head.number, scheduled=is_scheduled(orders))
        checked = [await self._check(crl, listing) for crl in unsigned]
        kept = [(it.entries, it.total) for partition, it in recorded.items() if partition not in partitions]
        built = [(it.passed.listed.count, it.passed.listed.total) for it in checked[:-1]]
        gates.check_union(checked[-1].passed.listed, [uncovered, *kept, *built])
        return [
            await asyncio.to_thread(self._sign, crl.partition, it) for crl, it in zip(unsigned, checked, strict=True)
        ]

    async def _write(self, listing: Listing, partition: int, sizes: Mapping[int, Size]) -> UnsignedCrl:
        head, path = self.head(partition), self.folder / str(partition)
        size = sum(it.octets for it in sizes.values()) if partition == FULL else sizes.get(partition, Size()).octets
        body, serials, count = sha256(), sha256(), 0
        with CrlFile(path, head, size) as file:
            async for entries, octets_of_serials in listing.parts(partition):
                await asyncio.to_thread(file.add, entries)
                body.update(entries)
                serials.update(octets_of_serials)
                count += len(octets_of_serials) // OCTETS
        return UnsignedCrl(partition, file, gates.Expected(head, count, body.hexdigest(), serials.hexdigest()))

    async def _check(self, crl: UnsignedCrl, listing: Listing) -> ReadBack[gates.Passed]:
        head, published = crl.expected.head, self.published[crl.partition]
        gates.check_grows(head.number, published.number if published else 0)
        checked = await asyncio.to_thread(self._read_back, crl)
        gates.check_vanished(await self.store.count_unexpired(checked.passed.vanished, listing.since))
        return checked

    def _read_back(self, crl: UnsignedCrl) -> ReadBack[gates.Passed]:
        # What the CA has not signed says nothing of what may be missing.
        version = self.published[crl.partition]
        is_ours = version is not None and version.number > 0
        published = self.files.content(crl.expected.head.issuer.id, crl.partition) if is_ours else None
        return crl.file.read_back(lambda content: gates.check(content, crl.expected, published))

    def _sign(self, partition: int, crl: ReadBack[gates.Passed]) -> CheckedCrl:
        try:
            content = sign_crl(crl, self.key)
        except CrlUnsound as fault:
            raise gates.GateFailed("signature", str(fault)) from None
        return CheckedCrl(partition, crl.path, crl.head, crl.passed.listed, sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class Pass:
    """The CRLs that a pass published, the full one last, and by partition why others are not published.

    `steps` are its steps, each with its end.
    """

    published: tuple[PublishedCrl, ...]
    failed: Mapping[int, NotPublished]
    steps: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, repr=False)
class CrlRunner:
    """Publishes CRLs. `partitions` is the number of partitions that new certificates are spread over.

    `interval` is the time between scheduled CRLs, `validity` that from a CRL's this to its next update. A pass starts
    no further copy or fetch after `most_seconds`.
    """

    files: CrlFiles
    distribution: Distribution
    partitions: int
    interval: timedelta
    validity: timedelta
    pool: "asyncpg.Pool"
    clock: Callable[[], datetime]
    most_seconds: float = _MOST_SECONDS

    async def run(self, issuer: IssuerInfo, key: SigningKey, take_orders: Callable[[], Sequence[PublishOrder]]) -> Pass:
        """Run one pass and return its result.

        It takes the orders when it holds the CA's lock, so that those that arrived meanwhile are included. Raises
        GateFailed, NotPublished, KeyUnavailable, and asyncpg's errors.
        """
        async with open_crl_store(self.pool, issuer.id) as store:
            orders = take_orders()
            taken = machine_clock()
            published = await self._present(store, issuer)
            highest = max((it.number for it in published.values() if it), default=0)
            # A trial's clock runs ahead of the machine's, and only so far may it be ahead of the database's.
            ahead = self.clock() - machine_clock()
            number, now = await store.allocate(highest, scheduled=is_scheduled(orders))
            with self.files.temporary_folder() as folder:
                heads = self._heads(issuer, number, now + ahead)
                builder = CrlBuilder(store, key, heads, published, folder, self.files, ahead, self.interval)
                checked = await builder.build(orders)
                by_partition = {crl.partition: crl for crl in checked}
                urgent_first = [by_partition[it] for it in by_urgency(by_partition, orders)]
                built = machine_clock()
                await self._write(store, issuer, urgent_first)
            written = machine_clock()
            failed = await self._deliver(store, issuer, urgent_first)
            fetched = machine_clock()
            count = await count_standings(store.connection, self.clock, issuer.id)
            count = count.model_copy(update={"crl_number": number})
            crls = [(self._published(crl, count), crl.listed.total) for crl in checked if crl.partition not in failed]
            await store.record(crls, self.clock())
        steps = (("wait for the CA's pass", taken), ("build", built), ("write", written), ("fetch back", fetched))
        return Pass(tuple(crl for crl, _ in crls), failed, steps)

    async def _present(self, store: CrlStore, issuer: IssuerInfo) -> Mapping[int, CrlVersion | None]:
        names = {it: crl_name(issuer.id, it) for it in sorted(await store.partitions(self.partitions))}
        return await asyncio.to_thread(lambda: {it: self.files.version(name, issuer) for it, name in names.items()})

    def _heads(self, issuer: IssuerInfo, number: int, latest: datetime) -> Callable[[int], CrlHead]:
        """Return a function that gives the head of a pass's CRL by partition; its this update is `latest` or before."""
        this_update = min(self.clock(), latest).replace(microsecond=0)
        next_update = this_update + self.validity

        def head(partition: int) -> CrlHead:
            url = None if partition == FULL else self.distribution.url(issuer.id, partition)
            return CrlHead(issuer, number, this_update, next_update, url)

        return head

    def _published(self, crl: CheckedCrl, count: StandingsCount) -> PublishedCrl:
        head = crl.head
        return PublishedCrl(
            partition=crl.partition,
            number=head.number,
            url=self.distribution.url(head.issuer.id, crl.partition),
            this_update=head.this_update,
            next_update=head.next_update,
            entries=crl.listed.count,
            sha256=crl.sha256,
            count=count if crl.partition == FULL else None,
        )

    async def _write(self, store: CrlStore, issuer: IssuerInfo, crls: Sequence[CheckedCrl]) -> None:
        """Write all CRLs to the folder, which a server behind the address reads."""
        for crl in crls:
            # Without its connection a revoker holds no lock, and must not publish.
            await store.check_lock()
            await asyncio.to_thread(self.files.put_crl, issuer, crl.partition, crl.path, crl.head.number)

    async def _deliver(
        self, store: CrlStore, issuer: IssuerInfo, crls: Sequence[CheckedCrl]
    ) -> Mapping[int, NotPublished]:
        """Copy the CRLs to the publishers one by one, and fetch each back. Return those that failed, and why."""
        until = monotonic() + self.most_seconds
        failed: dict[int, NotPublished] = {}
        copying, fetching = asyncio.Lock(), asyncio.Semaphore(_FETCHES_AT_ONCE)

        def require_time() -> None:
            if monotonic() > until:
                text = f"A pass over the CRLs of {issuer.id} took {self.most_seconds:.0f} s; the next goes on."
                raise NotPublished(ADDRESS, text)

        async def deliver(crl: CheckedCrl) -> None:
            version = CrlVersion(crl.head.number, crl.sha256)
            try:
                async with copying:
                    require_time()
                    await store.check_lock()
                    await self.distribution.copy(self.files.folder, issuer, crl.partition, version)
                async with fetching:
                    require_time()
                    await self.distribution.address.fetch_back(crl_name(issuer.id, crl.partition), crl.sha256)
            except NotPublished as fault:
                failed[crl.partition] = fault

        try:
            await run_together(*map(deliver, crls))
        except BaseExceptionGroup as group:
            raise first_of(group) from None
        return failed
