"""One pass over a CA's CRLs: number, list, sign, check, publish, fetch back, record. A failure leaves the old CRLs.

A pass makes the full CRL and the partitions that orders name or that are outdated; a scheduled one makes all. All list
what the database holds at one moment. All are written before one is fetched back, those with new revocations first. A
CRL that cannot be copied or fetched holds no other up: it is not recorded, so the next pass makes it again (F5).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

import asyncpg
from servicecert_pki.crl import CrlHead
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL, crl_name
from servicecert_schemas.revocation import StandingsCount
from servicecert_worker.core.clock import machine_clock

from ..domain.crl_orders import CrlVersion, PublishedCrl, PublishOrder, by_urgency, is_scheduled
from ..storage.crls import CrlStore, count_standings, open_crl_store
from .build import CheckedCrl, CrlBuilder
from .files import CrlFiles
from .places import ADDRESS, Distribution, NotPublished

_MOST_SECONDS = 120.0
_FETCHES_AT_ONCE = 8


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
    pool: "asyncpg.Pool[Any]"
    clock: Callable[[], datetime]
    most_seconds: float = _MOST_SECONDS

    async def run(self, issuer: IssuerInfo, key: SigningKey, take_orders: Callable[[], Sequence[PublishOrder]]) -> Pass:
        """Run one pass and return its result.

        It takes the orders when it holds the CA's lock, so that those that arrived meanwhile are included. Raises
        GateFailed, CrlFilesError, KeyUnavailable, and asyncpg's errors.
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
                builder = CrlBuilder(store, key, heads, published, folder, self.files, ahead)
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
        """Return the published CRLs of all partitions in use."""
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
        """Copy all CRLs to the publishers, then fetch all back, each by itself. Return those that failed, and why."""
        until = monotonic() + self.most_seconds
        failed: dict[int, NotPublished] = {}
        at_once = asyncio.Semaphore(_FETCHES_AT_ONCE)

        async def step(crl: CheckedCrl, act: Callable[[], Awaitable[None]]) -> None:
            try:
                if monotonic() > until:
                    raise NotPublished(
                        ADDRESS,
                        f"A pass over the CRLs of {issuer.id} took {self.most_seconds:.0f} s; the next goes on.",
                    )
                await act()
            except NotPublished as fault:
                failed[crl.partition] = fault

        async def fetch(crl: CheckedCrl) -> None:
            async with at_once:
                file = crl_name(issuer.id, crl.partition)
                await step(crl, partial(self.distribution.address.fetch_back, file, crl.sha256))

        if self.distribution.publishers:
            for crl in crls:
                await store.check_lock()
                version = CrlVersion(crl.head.number, crl.sha256)
                await step(crl, partial(self.distribution.copy, self.files.folder, issuer, crl.partition, version))
        await asyncio.gather(*(fetch(crl) for crl in crls if crl.partition not in failed))
        return failed
