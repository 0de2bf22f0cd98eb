"""Compares what is served with what was published, at the start and every half minute, and publishes it again (D7, F7).

A CA's CRLs are made anew, by its scheduled order, which is due at once; a root's CRL and a CA's certificate are copied.
Ceremonies make the roots' CRLs. One that fails leaves the old one in place, is logged and counted, and delays no CRL of
an issuing CA.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NoReturn, TypeAlias

from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import FULL, crl_name
from servicecert_pki.root_crl import root_crl_file
from servicecert_worker.core.clock import ClockWrong
from servicecert_worker.core.decider import Outcome, Task
from servicecert_worker.core.faults import Outage, background, guard_cancellation, is_transient

from ..domain.crl_gates import GateFailed, RootCrl, check_root, days_left, read_root_crl
from ..domain.crl_orders import CrlVersion, is_scheduled, is_served
from ..domain.decide import schedule_key
from ..storage.crls import in_force, publish_now
from .crl_pass import CrlRunner
from .files import CrlFiles, Superseded, file_state, write
from .gauges import CrlStats
from .order_queue import Publish, report
from .places import Address, Bucket, Distribution, NotPublished

log = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0
_AT_ONCE = 8

FileStates: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""Of the file in the authority's folder, and of the one that is served."""


@dataclass(frozen=True, repr=False)
class RootCrls:
    """Copies the roots' CRLs from the authority's folder to the folder that is served, and to the publishers.

    `_seen` are the files of both as they were when a root's CRL had arrived everywhere, or a gate had stopped it.
    """

    authority: Authority
    files: CrlFiles
    distribution: Distribution
    stats: CrlStats
    clock: Callable[[], datetime]
    _seen: dict[str, FileStates] = field(default_factory=dict, init=False)

    async def check(self) -> None:
        """Publish the CRLs whose files changed since the last check, and those that have not arrived everywhere."""
        for root in self.authority.roots.values():
            made, served = await asyncio.to_thread(self._file_states, root.id)
            if (made, served) != self._seen.get(root.id):
                await self._publish(root, made)

    async def deliver_again(self, id: str) -> None:
        self._seen.pop(id, None)
        await self.check()

    def publish_with_scheduled(self, publish: Publish) -> Callable[[Sequence[Task]], Awaitable[Sequence[Outcome]]]:
        """Return the effect that publishes CRLs; after scheduled ones the next check publishes all roots' again."""

        async def both(tasks: Sequence[Task]) -> Sequence[Outcome]:
            outcomes = await publish(tasks)
            if is_scheduled(task.data for task in tasks):
                self._seen.clear()
            return outcomes

        return both

    async def _publish(self, root: IssuerInfo, made: tuple[int, ...]) -> None:
        """Copy a newer CRL if there is one, and deliver the published one everywhere; log why one is not published.

        What changes meanwhile is seen by the next check.
        """
        try:
            try:
                await asyncio.to_thread(self._copy_if_newer, root)
            except GateFailed as fault:
                # The published one stays, and arrives.
                report(self.stats, root.id, fault)
                if fault.gate == "times":
                    # Its time comes, or the clock is corrected, and the file stays as it is (F6).
                    made = ()
            _, served = await asyncio.to_thread(self._file_states, root.id)
            published = await asyncio.to_thread(self.files.version, crl_name(root.id, FULL), root)
            if published is not None and published.number > 0:
                await self.distribution.deliver(self.files.folder, root, FULL, published)
        except NotPublished as fault:
            report(self.stats, root.id, fault)
            return
        self._seen[root.id] = made, served
        await self._warn(root)

    async def _warn(self, root: IssuerInfo) -> None:
        published = await asyncio.to_thread(self._served, root)
        left = days_left(published, self.clock())
        if published is None:
            log.warning("Root %s has no CRL: make one with `servicecert ca root crl` and carry it to crls/", root.id)
        elif left is not None:
            log.error("The CRL of root %s expires in %d days; make the next one in a ceremony", root.id, left)

    def _file_states(self, id: str) -> FileStates:
        return (
            file_state(root_crl_file(self.authority.directory, id)),
            file_state(self.files.folder / crl_name(id, FULL)),
        )

    def _copy_if_newer(self, root: IssuerInfo) -> None:
        """Copy a newer CRL, if there is one, into the folder that is served."""
        try:
            made = root_crl_file(self.authority.directory, root.id).read_bytes()
        except FileNotFoundError:
            return
        except OSError:
            raise GateFailed("readable", "Its file in SERVICECERT_CA_DIR cannot be read.") from None
        published = self.files.content(root.id, FULL)
        if made == published:
            return
        number = check_root(made, root, published, self.clock()).number
        with self.files.temporary_folder() as temporary:
            path = temporary / "root"
            write(path, made)
            try:
                self.files.put_crl(root, FULL, path, number)
            except Superseded:
                # Another revoker copied the same one meanwhile.
                if self.files.content(root.id, FULL) != made:
                    raise

    async def valid_seconds(self) -> Mapping[str, float]:
        """Return the time until the next update of each published CRL, by file name."""
        return await asyncio.to_thread(self._valid_seconds)

    def _valid_seconds(self) -> Mapping[str, float]:
        published, now = {id: self._served(root) for id, root in self.authority.roots.items()}, self.clock()
        return {
            crl_name(id, FULL): (crl.contents.next_update - now).total_seconds()
            for id, crl in published.items()
            if crl is not None and crl.contents.next_update is not None
        }

    def _served(self, root: IssuerInfo) -> RootCrl | None:
        return read_root_crl(self.files.content(root.id, FULL), root)


@dataclass(frozen=True, repr=False)
class Served:
    """The files of all CAs where they can be looked at: in a bucket, and at the address that they are fetched from.

    The folder is seen at the address that serves it. Where that is a bucket, revokers may have folders of their own.
    """

    runner: CrlRunner
    roots: RootCrls
    every: float = _EVERY_SECONDS

    @asynccontextmanager
    async def watching(self, require_clock: Callable[[], None]) -> AsyncIterator[None]:
        """Publish the CAs' certificates, and until the context ends what is served otherwise, while the clock is right.

        Raises FolderUnusable; the message tells what to do. `require_clock` raises ClockWrong.
        """
        await self.start()
        async with background(self._watch(require_clock)):
            yield

    async def start(self) -> None:
        await asyncio.to_thread(self.runner.files.prepare)
        for ca in self._cas():
            await asyncio.to_thread(self.runner.files.put_certificate, ca.id, ca.certificate_der)

    async def _watch(self, require_clock: Callable[[], None]) -> NoReturn:
        outage = Outage("PostgreSQL, for what is served,")
        # A command does not say what it has.
        left = list(self._cas())
        while True:
            try:
                require_clock()
                await guard_cancellation(self.look())
                # One that hangs is tried once between two looks.
                for ca in tuple(left):
                    if not await guard_cancellation(self._copy_certificate(ca)):
                        break
                    left.remove(ca)
                outage.ended()
            except ClockWrong:
                # Its guard has said so.
                pass
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
        places: Sequence[Bucket | Address] = (*self._buckets(), self.runner.distribution.address)
        for place in places:
            found, faults = await self._lacking(place, published)
            if faults:
                log.error("What is served cannot be looked at: %s", faults[0], extra={"files": len(faults)})
            if found or faults:
                self.roots.stats.failures[place.name] += 1
            for ca, files in found.items():
                lacking.setdefault(ca, set()).update(files)
                extra = {"place": place.name, "files": len(files), "first": min(files)}
                log.error("Published files of %s are missing, older or other, and published again", ca.id, extra=extra)
        for ca, files in lacking.items():
            await self._publish_again(ca, files)

    def _cas(self) -> Iterable[IssuerInfo]:
        return (*self.roots.authority.roots.values(), *self.roots.authority.issuers.values())

    def _buckets(self) -> Sequence[Bucket]:
        return [it for it in self.runner.distribution.publishers if isinstance(it, Bucket)]

    async def _published(self, ca: IssuerInfo) -> Mapping[str, CrlVersion]:
        """Return what was published last: a CA's CRLs by the books, a root's by the folder, and its certificate."""
        files = {f"{ca.id}.cer": CrlVersion(0, sha256(ca.certificate_der).hexdigest())}
        if ca.id in self.roots.authority.issuers:
            crls = await in_force(self.runner.pool, ca.id, self.runner.partitions)
            if crls and not crls.keys() >= set(range(self.runner.partitions + 1)):
                # Partitions were added, and certificates may name them at once.
                await publish_now(self.runner.pool, schedule_key(ca.id), self.runner.clock())
            for partition, crl in crls.items():
                files[crl_name(ca.id, partition)] = CrlVersion(crl.number, crl.sha256)
        elif root_crl := await asyncio.to_thread(self.runner.files.version, crl_name(ca.id, FULL), ca):
            files[crl_name(ca.id, FULL)] = root_crl
        return files

    async def _lacking(
        self, place: Bucket | Address, published: Mapping[IssuerInfo, Mapping[str, CrlVersion]]
    ) -> tuple[Mapping[IssuerInfo, set[str]], Sequence[NotPublished]]:
        """Return the files that a place lacks as they were published, and why others cannot be looked at."""
        at_once, faults = asyncio.Semaphore(_AT_ONCE), list[NotPublished]()

        async def lacks(file: str, ca: IssuerInfo, newest: int) -> bool:
            try:
                async with at_once:
                    if len(faults) >= _AT_ONCE:
                        # It is the place that does not answer.
                        return False
                    current = await place.current(file, ca)
            except NotPublished as fault:
                faults.append(fault)
                return False
            if isinstance(place, Address) and file.endswith(".crl"):
                self.roots.stats.served[file] = current.number if current else 0
            return not is_served(current, published[ca][file], newest)

        found = {}
        for ca, files in published.items():
            newest = max(it.number for it in files.values())
            answers = await asyncio.gather(*(lacks(file, ca, newest) for file in files))
            found[ca] = {file for file, is_lacking in zip(files, answers, strict=True) if is_lacking}
        return {ca: files for ca, files in found.items() if files}, faults

    async def _publish_again(self, ca: IssuerInfo, files: set[str]) -> None:
        if f"{ca.id}.cer" in files:
            await self._copy_certificate(ca)
        if not any(file.endswith(".crl") for file in files):
            return
        if ca.id in self.roots.authority.issuers:
            await publish_now(self.runner.pool, schedule_key(ca.id), self.runner.clock())
        else:
            await self.roots.deliver_again(ca.id)

    async def _copy_certificate(self, ca: IssuerInfo) -> bool:
        """Copy a CA's certificate to all publishers; return whether they have it."""
        folder, name = self.runner.files, f"{ca.id}.cer"
        try:
            await asyncio.to_thread(folder.put_certificate, ca.id, ca.certificate_der)
            for publisher in self.runner.distribution.publishers:
                await publisher.put(name, folder.folder / name, 0, ca)
        except NotPublished as fault:
            report(self.roots.stats, ca.id, fault)
            return False
        return True
