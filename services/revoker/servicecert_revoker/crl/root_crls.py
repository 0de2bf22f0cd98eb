"""Publishes the roots' CRLs, which ceremonies make (D7), at each look at what is served.

A root's CRL that fails leaves the old one in place, is logged and counted, and delays no CRL of an issuing CA.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import FULL, crl_name
from servicecert_pki.root_crl import root_crl_file
from servicecert_worker.core.decider import Outcome, Task

from ..domain.crl_gates import GateFailed, RootCrl, check_root, days_left, read_root_crl
from ..domain.crl_orders import is_scheduled
from .files import CrlFiles, Superseded, file_state, write
from .gauges import CrlStats
from .order_queue import Publish, report
from .places import Distribution, NotPublished

log = logging.getLogger(__name__)

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
        """Log a root without a CRL, or with one that expires soon."""
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
