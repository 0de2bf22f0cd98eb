"""One pass over a CA's CRLs: number, list, sign, check, publish, fetch back, record. A failure leaves the old CRLs.

A pass makes the full CRL and the partitions that orders name or that are outdated; a scheduled one makes all. All list
what the database holds at one moment. The partitions are published before the full one.
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

from ..domain.plan import CrlVersion
from ..domain.publication import PublishedCrl, PublishOrder, is_scheduled
from ..storage.store import CrlStore, open_crl_store
from .build import CheckedCrl, CrlBuilder
from .files import CrlFiles
from .publishers import Distribution


@dataclass(frozen=True, slots=True)
class Timing:
    """The time between scheduled CRLs, and from a CRL's this to its next update."""

    interval: timedelta
    validity: timedelta


@dataclass(frozen=True, repr=False)
class CrlRunner:
    """Publishes CRLs. `partitions` is the number of partitions that new certificates are spread over."""

    files: CrlFiles
    distribution: Distribution
    partitions: int
    timing: Timing
    pool: "asyncpg.Pool[Any]"
    clock: Callable[[], datetime]

    async def run(
        self, issuer: IssuerInfo, key: SigningKey, take_orders: Callable[[], Sequence[PublishOrder]]
    ) -> tuple[PublishedCrl, ...]:
        """Run one pass, and return the published CRLs, the full one last.

        It takes the orders when it holds the CA's lock, so that those that arrived meanwhile are included. Raises
        GateFailed, CrlFilesError, NotPublished, KeyUnavailable, and asyncpg's errors.
        """
        async with open_crl_store(self.pool, issuer.id) as store:
            orders = take_orders()
            published = await self._present(store, issuer.id)
            highest = max((it.number for it in published.values() if it), default=0)
            number = await store.allocate(highest, scheduled=is_scheduled(orders))
            with self.files.temporary_folder() as folder:
                builder = CrlBuilder(store, key, self._heads(issuer, number), published, folder, self.files)
                checked = await builder.build(orders)
                crls = [(self._published(crl), crl.listed.total) for crl in checked]
                for file, (crl, _) in zip(checked, crls, strict=True):
                    await self._publish(store, issuer.id, file, crl)
            await store.record(crls, self.clock())
        return tuple(crl for crl, _ in crls)

    async def _present(self, store: CrlStore, issuer: str) -> Mapping[int, CrlVersion | None]:
        """Return the published CRLs of all partitions in use."""
        last = max(self.partitions, await store.highest_partition())
        return await asyncio.to_thread(lambda: {it: self.files.published(issuer, it) for it in range(last + 1)})

    def _heads(self, issuer: IssuerInfo, number: int) -> Callable[[int], CrlHead]:
        """Return a function that gives the head of a pass's CRL by partition."""
        this_update = self.clock().replace(microsecond=0)
        next_update = this_update + self.timing.validity

        def head(partition: int) -> CrlHead:
            url = None if partition == FULL else self.distribution.url(issuer.id, partition)
            return CrlHead(issuer, number, this_update, next_update, url)

        return head

    def _published(self, crl: CheckedCrl) -> PublishedCrl:
        head = crl.head
        return PublishedCrl(
            partition=crl.partition,
            number=head.number,
            url=self.distribution.url(head.issuer.id, crl.partition),
            this_update=head.this_update,
            next_update=head.next_update,
            entries=crl.listed.count,
            sha256=crl.sha256,
        )

    async def _publish(self, store: CrlStore, issuer: str, file: CheckedCrl, crl: PublishedCrl) -> None:
        # Without its connection a revoker holds no lock, and must not publish.
        await store.check_lock()
        await asyncio.to_thread(self.files.put_crl, issuer, file.partition, file.path, crl.number)
        await self.distribution.deliver(self.files.folder, issuer, file.partition, CrlVersion(crl.number, crl.sha256))
