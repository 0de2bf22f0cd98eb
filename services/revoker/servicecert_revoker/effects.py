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
from servicecert_worker.decider import Again, Done, Outcome, Task

from .crl_files import CrlFiles, CrlFilesRefused
from .ledger import Listed, open_ledger
from .publication import Published, PublishOrder

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
        return [_answer(came[task.data.issuer], task, announce=task.id in announcers) for task in tasks]

    async def _outcome(self, issuer: str, tasks: Sequence[Task]) -> Published | Again:
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

    async def _publish(self, issuer: IssuerInfo, key: SigningKey, orders: Sequence[PublishOrder]) -> Published:
        serials = [order.serial for order in orders if order.serial is not None]
        async with open_ledger(self.pool, issuer.id) as ledger:
            number = await ledger.allocate(
                await asyncio.to_thread(self.files.number, issuer.id), scheduled=len(serials) < len(orders)
            )
            this_update = self.clock().replace(microsecond=0)
            next_update = this_update + self.timing.validity
            listed = await ledger.listed(serials)
            crl = await asyncio.to_thread(_checked, key, issuer, this_update, next_update, listed, number, serials)
            await asyncio.to_thread(self.files.put_crl, issuer.id, crl, number)
            url = f"{self.base_url}/{issuer.id}.crl"
            await self._fetch_back(url, crl)
            published = Published(
                issuer=issuer.id,
                number=number,
                url=url,
                this_update=this_update,
                next_update=next_update,
                next_planned=this_update + self.timing.interval,
                published_at=self.clock(),
                sha256=sha256(crl).hexdigest(),
                entries=len(listed.entries),
            )
            await ledger.record(published)
        return published

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
) -> bytes:
    """A CRL that is proved to be what was meant (D7): raises CrlUnsound."""
    if missing := {int(serial, 16) for serial in serials} - {entry.serial for entry in listed.entries}:
        raise CrlUnsound(f"{len(missing)} certificates that are to be revoked have no entry.")
    crl = build_crl(key, issuer, this_update, next_update, listed.encoded, number)
    check_crl(crl, issuer, number, listed.entries)
    return crl


def _announcer(tasks: Sequence[Task]) -> UUID:
    """The one order that tells of the CRL: the scheduled one where there is one."""
    return next((task.id for task in tasks if task.data.serial is None), tasks[0].id)


def _answer(came: Published | Again, task: Task, *, announce: bool) -> Outcome:
    if isinstance(came, Again):
        return came
    return Done(came.model_copy(update={"request_id": task.data.request_id, "announce": announce}))
