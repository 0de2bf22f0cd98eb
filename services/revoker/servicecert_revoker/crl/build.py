"""Builds, checks and signs the CRLs of one pass, in a temporary folder: a CA's key signs what passed (D7, F3)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from servicecert_pki.ca_signing import sign_crl
from servicecert_pki.crl import CrlFile, CrlHead, CrlUnsound, ReadBack
from servicecert_pki.crl_reading import OCTETS, SerialSet
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL

from ..domain import crl_gates as gates
from ..domain.crl_orders import CrlVersion, PublishOrder, Size, is_scheduled, partitions_to_publish
from ..storage.crls import CrlStore, Listing, octets
from .files import CrlFiles


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
    """Builds the CRLs of one pass in `folder`. `head` gives a CRL's head by partition, `published` the present CRL.

    `ahead` is how far a trial's clock runs ahead.
    """

    store: CrlStore
    key: SigningKey
    head: Callable[[int], CrlHead]
    published: Mapping[int, CrlVersion | None]
    folder: Path
    files: CrlFiles
    ahead: timedelta

    async def build(self, orders: Sequence[PublishOrder]) -> list[CheckedCrl]:
        """Return the signed CRLs for the orders, the full one last. Raises GateFailed, OSError, KeyUnavailable."""
        ordered = {octets(order.serial): order.partition for order in orders if order.serial is not None}
        recorded = await self.store.recorded(self.published)
        async with self.store.listing(ordered, self.head(FULL).this_update) as listing:
            gates.check_not_ahead(self.head(FULL).this_update, listing.now + self.ahead)
            gates.check_ordered(ordered, await listing.partitions_of_ordered())
            sizes = await listing.sizes()
            partitions = partitions_to_publish(orders, sizes, recorded, self.published)
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
        """Write a CRL, entry after entry, as far as possible without a signature."""
        head, path = self.head(partition), self.folder / str(partition)
        size = sum(it.octets for it in sizes.values()) if partition == FULL else sizes.get(partition, Size()).octets
        body, serials, count = sha256(), sha256(), 0
        with CrlFile(path, head, size) as file:
            async for part in listing.parts(partition):
                await asyncio.to_thread(file.add, part.entries)
                body.update(part.entries)
                serials.update(part.serials)
                count += len(part.serials) // OCTETS
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
        return CheckedCrl(partition, crl.file.path, crl.file.head, crl.passed.listed, sha256(content).hexdigest())
