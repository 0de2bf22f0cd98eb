"""One pass over a CA's CRLs: number, list, sign, check, publish, fetch back, record. What fails on the way leaves the old ones where they are.

A pass makes the full CRL and those of the partitions that orders name, that lack something, or, on schedule, all. All of them list what the database
holds at one moment, and the partitions are published before the full one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from servicecert_pki.crl import CrlHead
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL

from ..domain.plan import Shown
from ..domain.publication import PublishedCrl, PublishOrder, is_scheduled
from ..storage.ledger import Ledger, open_ledger
from .build import Drafts, Proof
from .files import CrlFiles
from .publishers import Distribution


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a CRL is planned, and for how long one is good."""

    interval: timedelta
    validity: timedelta


@dataclass(frozen=True, repr=False)
class Press:
    """Publishes CRLs. `partitions` are those that new certificates are spread over."""

    files: CrlFiles
    distribution: Distribution
    partitions: int
    timing: Timing
    pool: "asyncpg.Pool[Any]"
    clock: Callable[[], datetime]

    async def run(
        self, issuer: IssuerInfo, key: SigningKey, asked: Callable[[], Sequence[PublishOrder]]
    ) -> tuple[PublishedCrl, ...]:
        """Publish, and return what was published, the full one last.

        The orders are `asked` for once it is this publisher's turn, so that those that came meanwhile are in it. Raises GateFailed,
        CrlFilesRefused, NotPublished, KeyUnavailable, and what asyncpg raises.
        """
        async with open_ledger(self.pool, issuer.id) as ledger:
            orders = asked()
            scheduled = is_scheduled(orders)
            shown = await self._shown(ledger, issuer.id)
            number = await ledger.allocate(
                max((it.number for it in shown.values() if it), default=0), scheduled=scheduled
            )
            with self.files.workshop() as workshop:
                drafts = Drafts(ledger, key, self._heads(issuer, number), shown, workshop, self.files)
                proofs = await drafts.proved(orders)
                crls = [(self._published(proof), proof.listed.total) for proof in proofs]
                for proof, (crl, _) in zip(proofs, crls, strict=True):
                    await self._publish(ledger, issuer.id, proof, crl)
            await ledger.record(crls, self.clock())
        return tuple(crl for crl, _ in crls)

    async def _shown(self, ledger: Ledger, issuer: str) -> Mapping[int, Shown | None]:
        """The CRLs that are published, of all partitions that there are."""
        last = max(self.partitions, await ledger.partitions())
        return await asyncio.to_thread(lambda: {it: self.files.shown(issuer, it) for it in range(last + 1)})

    def _heads(self, issuer: IssuerInfo, number: int) -> Callable[[int], CrlHead]:
        """What the CRLs of a pass say, by partition."""
        this_update = self.clock().replace(microsecond=0)
        next_update = this_update + self.timing.validity

        def head(partition: int) -> CrlHead:
            url = None if partition == FULL else self.distribution.url(issuer.id, partition)
            return CrlHead(issuer, number, this_update, next_update, url)

        return head

    def _published(self, proof: Proof) -> PublishedCrl:
        head = proof.head
        return PublishedCrl(
            partition=proof.partition,
            number=head.number,
            url=self.distribution.url(head.issuer.id, proof.partition),
            this_update=head.this_update,
            next_update=head.next_update,
            entries=proof.listed.count,
            sha256=proof.sha256,
        )

    async def _publish(self, ledger: Ledger, issuer: str, proof: Proof, crl: PublishedCrl) -> None:
        # Whoever lost the connection, and with it its turn, publishes nothing more.
        await ledger.hold()
        await asyncio.to_thread(self.files.put_crl, issuer, proof.partition, proof.made, crl.number)
        await self.distribution.deliver(self.files.folder, issuer, proof.partition, Shown(crl.number, crl.sha256))
