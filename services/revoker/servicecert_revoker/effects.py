"""The revoker's one act on the world: publishing a CRL.

Number, list, sign, check, publish, fetch back, record: one publisher of a CA at a time, and what fails on the way leaves the old CRL where it is.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
from servicecert_pki.authority import Authority, AuthorityMissing
from servicecert_pki.crl import CrlUnsound, build_crl, check_crl
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import KeyUnavailable, SigningKey
from servicecert_pki.partitions import FULL, crl_url
from servicecert_worker.decider import Again, Done, Outcome, Task

from .crl_files import CrlFiles, CrlFilesRefused
from .ledger import Ledger, Listed, open_ledger
from .publication import Published, PublishedCrl, PublishOrder

log = logging.getLogger(__name__)


class NotFetched(Exception):
    """What was published cannot be fetched, or is not what is fetched; the message says what to look at."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a CRL is planned, and for how long one is good."""

    interval: timedelta
    validity: timedelta


@dataclass(frozen=True, repr=False)
class Publish:
    """Publishes one CRL for each CA, whatever number of orders asks for it."""

    authority: Authority
    keys: Mapping[str, SigningKey]
    files: CrlFiles
    base_url: str
    partitions: int
    timing: Timing
    pool: "asyncpg.Pool[Any]"
    session: aiohttp.ClientSession
    clock: Callable[[], datetime]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        by_issuer: dict[str, list[Task]] = {}
        for task in tasks:
            by_issuer.setdefault(task.data.issuer, []).append(task)
        came = {issuer: await self._outcome(issuer, asking) for issuer, asking in by_issuer.items()}
        announcers = {_announcer(asking) for asking in by_issuer.values()}
        return [self._answer(came[task.data.issuer], task, announce=task.id in announcers) for task in tasks]

    def _answer(self, came: tuple[PublishedCrl, ...] | Again, task: Task, *, announce: bool) -> Outcome:
        if isinstance(came, Again):
            return came
        crl = next(crl for crl in came if crl.partition == task.data.partition)
        return Done(
            Published(
                issuer=task.data.issuer,
                crl=crl,
                announced=came if announce else (),
                next_planned=crl.this_update + self.timing.interval,
                published_at=self.clock(),
                request_id=task.data.request_id,
            )
        )

    async def _outcome(self, issuer: str, tasks: Sequence[Task]) -> tuple[PublishedCrl, ...] | Again:
        orders: list[PublishOrder] = [task.data for task in tasks]
        try:
            return await self._publish(self.authority.issuer(issuer), self._key(issuer), orders)
        except CrlUnsound as unsound:
            log.error("The CRL of %s is not published, the old one stays: %s", issuer, unsound)
            return Again(f"alarm: {unsound}")
        except (CrlFilesRefused, NotFetched, KeyUnavailable, AuthorityMissing) as fault:
            log.error("The CRL of %s is not published: %s", issuer, fault)
            return Again(str(fault))

    def _key(self, issuer: str) -> SigningKey:
        try:
            return self.keys[issuer]
        except KeyError:
            raise KeyUnavailable(f"The key of {issuer} is not in SERVICECERT_CA_DIR; bring that CA back.") from None

    async def _publish(
        self, issuer: IssuerInfo, key: SigningKey, orders: Sequence[PublishOrder]
    ) -> tuple[PublishedCrl, ...]:
        scheduled = any(order.serial is None for order in orders)
        async with open_ledger(self.pool, issuer.id) as ledger:
            wanted = {order.partition for order in orders} | {FULL}
            if scheduled:
                wanted |= set(range(1, max(self.partitions, await ledger.partitions()) + 1))
            crls = []
            for partition in sorted(wanted, reverse=True):
                serials = [it.serial for it in orders if it.serial is not None and partition in (FULL, it.partition)]
                crls.append(await self._publish_one(ledger, issuer, key, partition, serials, scheduled=scheduled))
        return tuple(crls)

    async def _publish_one(
        self,
        ledger: Ledger,
        issuer: IssuerInfo,
        key: SigningKey,
        partition: int,
        serials: Sequence[str],
        *,
        scheduled: bool,
    ) -> PublishedCrl:
        published = await asyncio.to_thread(self.files.number, issuer.id, partition)
        number = await ledger.allocate(partition, published, scheduled=scheduled)
        this_update = self.clock().replace(microsecond=0)
        next_update = this_update + self.timing.validity
        listed = await ledger.listed(partition, serials)
        url = crl_url(self.base_url, issuer.id, partition)
        distribution_point = None if partition == FULL else url
        crl = await asyncio.to_thread(
            _checked, key, issuer, this_update, next_update, listed, number, serials, distribution_point
        )
        await asyncio.to_thread(self.files.put_crl, issuer.id, partition, crl, number)
        await self._fetch_back(url, crl)
        made = PublishedCrl(
            partition=partition,
            number=number,
            url=url,
            this_update=this_update,
            next_update=next_update,
            entries=len(listed.entries),
            sha256=sha256(crl).hexdigest(),
        )
        await ledger.record(made, self.clock())
        return made

    async def _fetch_back(self, url: str, crl: bytes) -> None:
        """Raise NotFetched unless the address gives exactly these bytes: published is what others can fetch (I7)."""
        try:
            async with self.session.get(url, headers={"Cache-Control": "no-cache"}) as response:
                response.raise_for_status()
                fetched = await response.read()
        except (aiohttp.ClientError, TimeoutError) as fault:
            raise NotFetched(
                f"The CRL cannot be fetched from {url} ({type(fault).__name__}): serve SERVICECERT_CRL_DIR at SERVICECERT_CRL_BASE_URL."
            ) from None
        if fetched != crl:
            raise NotFetched(
                f"Another CRL than the one published is fetched from {url}: serve SERVICECERT_CRL_DIR there, without a cache between."
            )


def _checked(
    key: SigningKey,
    issuer: IssuerInfo,
    this_update: datetime,
    next_update: datetime,
    listed: Listed,
    number: int,
    serials: Sequence[str],
    url: str | None,
) -> bytes:
    """A CRL that is proved to be what was meant (D7): raises CrlUnsound."""
    if missing := {int(serial, 16) for serial in serials} - {entry.serial for entry in listed.entries}:
        raise CrlUnsound(f"{len(missing)} certificates that are to be revoked have no entry.")
    crl = build_crl(key, issuer, this_update, next_update, listed.encoded, number, url)
    check_crl(crl, issuer, number, listed.entries)
    return crl


def _announcer(tasks: Sequence[Task]) -> UUID:
    """The one order that tells of the CRL: the scheduled one where there is one."""
    return next((task.id for task in tasks if task.data.serial is None), tasks[0].id)
