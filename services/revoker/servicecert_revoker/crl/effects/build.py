"""The CRLs of one pass as they are made, and what proves each of them (D7). They lie in a folder of their own until they are published."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from servicecert_pki.crl import CrlFile, CrlHead
from servicecert_pki.crl_reading import OCTETS, SerialSet
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL

from ..domain import gates
from ..domain.plan import Shown, Size, wanted
from ..domain.publication import PublishOrder, is_scheduled
from ..storage.ledger import Ledger, Listing, octets
from .files import CrlFiles


@dataclass(frozen=True, slots=True)
class Draft:
    """A CRL that is written, and neither signed nor checked."""

    partition: int
    file: CrlFile
    meant: gates.Meant


@dataclass(frozen=True, slots=True)
class Proof:
    """A CRL that passed the gates; `listed` and `sha256` are of what was read back."""

    partition: int
    made: Path
    head: CrlHead
    listed: SerialSet
    sha256: str


@dataclass(frozen=True, slots=True)
class Drafts:
    """What a pass is made of: the ledger and the key, what its CRLs say by partition, what is published, and where files are made."""

    ledger: Ledger
    key: SigningKey
    head: Callable[[int], CrlHead]
    shown: Mapping[int, Shown | None]
    workshop: Path
    files: CrlFiles

    async def proved(self, orders: Sequence[PublishOrder]) -> list[Proof]:
        """The CRLs that follow from the orders, each proved, and together; the full one last. Raises GateFailed, OSError, KeyUnavailable."""
        asked = {octets(order.serial): order.partition for order in orders if order.serial is not None}
        recorded = await self.ledger.recorded(self.shown)
        async with self.ledger.listing(asked) as listing:
            gates.check_asked(asked, await listing.partitions_asked())
            sizes = await listing.sizes()
            making = wanted(orders, sizes, recorded, self.shown)
            drafts = [await self._draft(listing, partition, sizes) for partition in sorted(making, reverse=True)]
            uncovered = await listing.uncovered()
        parts = [draft.partition for draft in drafts if draft.partition != FULL]
        await self.ledger.intend(parts, drafts[-1].meant.head.number, scheduled=is_scheduled(orders))
        proofs = [await self._prove(draft, listing) for draft in drafts]
        kept = [(it.entries, it.total) for partition, it in recorded.items() if partition not in making]
        made = [(it.listed.count, it.listed.total) for it in proofs[:-1]]
        gates.check_union(proofs[-1].listed, [uncovered, *kept, *made])
        return proofs

    async def _draft(self, listing: Listing, partition: int, sizes: Mapping[int, Size]) -> Draft:
        """Write a CRL, entry after entry, as far as it can be without a signature."""
        head, made = self.head(partition), self.workshop / str(partition)
        size = sum(it.octets for it in sizes.values()) if partition == FULL else sizes.get(partition, Size()).octets
        body, serials, count = sha256(), sha256(), 0
        with CrlFile(made, head, size) as file:
            async for part in listing.parts(partition):
                await asyncio.to_thread(file.add, part.entries)
                body.update(part.entries)
                serials.update(part.serials)
                count += len(part.serials) // OCTETS
        return Draft(partition, file, gates.Meant(head, count, body.hexdigest(), serials.hexdigest()))

    async def _prove(self, draft: Draft, listing: Listing) -> Proof:
        head, published = draft.meant.head, self.shown[draft.partition]
        gates.check_grows(head.number, published.number if published else 0)
        passed, digest = await asyncio.to_thread(self._sign_and_check, draft)
        gates.check_vanished(await self.ledger.unexpired(passed.vanished, listing.since))
        return Proof(draft.partition, draft.file.path, head, passed.listed, digest)

    def _sign_and_check(self, draft: Draft) -> tuple[gates.Passed, str]:
        draft.file.sign(self.key)
        crl = draft.file.path.read_bytes()
        published = self.files.content(draft.meant.head.issuer.id, draft.partition)
        return gates.check(crl, draft.meant, published), sha256(crl).hexdigest()
