"""Compares what is served with what was published, at the start and every half minute, and publishes it again (D7, F7).

A CA's CRLs are made anew, by its scheduled order, which is due at once; a root's CRL and a CA's certificate are copied.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn

from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import FULL, crl_name
from servicecert_worker.core.faults import Outage, background, guard_cancellation, is_transient

from ..domain.crl_orders import CrlVersion, is_served
from ..domain.decide import schedule_key
from ..storage.crls import in_force, publish_now
from .crl_pass import CrlRunner
from .order_queue import report
from .places import Address, NotPublished
from .root_crls import RootCrls
from .s3_publisher import S3Publisher

log = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0
_AT_ONCE = 8


@dataclass(frozen=True, repr=False)
class Served:
    """The files of all CAs where they can be looked at: in a bucket, and at the address that they are fetched from.

    The folder is seen at the address that serves it. Where that is a bucket, revokers may have folders of their own.
    """

    runner: CrlRunner
    roots: RootCrls
    every: float = _EVERY_SECONDS

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Publish the CAs' certificates, and until the context ends what is served otherwise.

        Raises FolderUnusable; the message tells what to do.
        """
        await self.start()
        async with background(self._watch()):
            yield

    async def start(self) -> None:
        await asyncio.to_thread(self.runner.files.prepare)
        for ca in self._cas():
            await asyncio.to_thread(self.runner.files.put_certificate, ca.id, ca.certificate_der)

    async def _watch(self) -> NoReturn:
        outage = Outage("PostgreSQL, for what is served,")
        while True:
            try:
                await guard_cancellation(self.look())
                outage.ended()
            except Exception as error:
                if is_transient(error):
                    outage.began(error)
                else:
                    log.exception("The look at what is served failed; trying again in %.0f s", self.every)
            await asyncio.sleep(self.every)

    async def look(self) -> None:
        """Look at all files at all places, and publish again what is missing, older or other at one of them."""
        # A revoked CA does not wait for the database, nor for a scheduled CRL.
        await self.roots.check()
        published = {ca: await self._published(ca) for ca in self._cas()}
        lacking: dict[IssuerInfo, set[str]] = {}
        places: Sequence[S3Publisher | Address] = (*self._buckets(), self.runner.distribution.address)
        for place in places:
            try:
                found = await self._lacking(place, published)
            except NotPublished as fault:
                self.roots.stats.failures[place.name] += 1
                log.error("What is served cannot be looked at: %s", fault)
                continue
            if found:
                self.roots.stats.failures[place.name] += 1
            for ca, files in found.items():
                lacking.setdefault(ca, set()).update(files)
                extra = {"place": place.name, "files": len(files), "first": min(files)}
                log.error("Published files of %s are missing, older or other, and published again", ca.id, extra=extra)
        for ca, files in lacking.items():
            await self._publish_again(ca, files)

    def _cas(self) -> Iterable[IssuerInfo]:
        return (*self.roots.authority.roots.values(), *self.roots.authority.issuers.values())

    def _buckets(self) -> Sequence[S3Publisher]:
        return [it for it in self.runner.distribution.publishers if isinstance(it, S3Publisher)]

    async def _published(self, ca: IssuerInfo) -> Mapping[str, CrlVersion]:
        """Return what was published last: a CA's CRLs by the books, a root's by the folder, and its certificate."""
        files = {f"{ca.id}.cer": CrlVersion(0, sha256(ca.certificate_der).hexdigest())}
        if ca.id in self.roots.authority.issuers:
            for partition, crl in (await in_force(self.runner.pool, ca.id, self.runner.partitions)).items():
                files[crl_name(ca.id, partition)] = CrlVersion(crl.number, crl.sha256)
        elif root_crl := await asyncio.to_thread(self.runner.files.version, crl_name(ca.id, FULL), ca):
            files[crl_name(ca.id, FULL)] = root_crl
        return files

    async def _lacking(
        self, place: S3Publisher | Address, published: Mapping[IssuerInfo, Mapping[str, CrlVersion]]
    ) -> Mapping[IssuerInfo, set[str]]:
        """Return the files that a place does not have as published. Raises NotPublished."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def lacks(file: str, ca: IssuerInfo, newest: int) -> bool:
            async with at_once:
                current = await place.current(file, ca)
            if isinstance(place, Address) and file.endswith(".crl"):
                self.roots.stats.served[file] = current.number if current else 0
            return not is_served(current, published[ca][file], newest)

        found = {}
        for ca, files in published.items():
            newest = max(it.number for it in files.values())
            answers = await asyncio.gather(*(lacks(file, ca, newest) for file in files))
            found[ca] = {file for file, is_lacking in zip(files, answers, strict=True) if is_lacking}
        return {ca: files for ca, files in found.items() if files}

    async def _publish_again(self, ca: IssuerInfo, files: set[str]) -> None:
        if f"{ca.id}.cer" in files:
            try:
                await self._copy_certificate(ca)
            except NotPublished as fault:
                report(self.roots.stats, ca.id, fault)
        if not any(file.endswith(".crl") for file in files):
            return
        if ca.id in self.roots.authority.issuers:
            await publish_now(self.runner.pool, schedule_key(ca.id), self.runner.clock())
        else:
            await self.roots.deliver_again(ca.id)

    async def _copy_certificate(self, ca: IssuerInfo) -> None:
        folder, name = self.runner.files, f"{ca.id}.cer"
        await asyncio.to_thread(folder.put_certificate, ca.id, ca.certificate_der)
        for bucket in self._buckets():
            await bucket.put(name, folder.folder / name, 0, ca)
