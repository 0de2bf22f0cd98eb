"""Publishes the roots' CRLs, which ceremonies make (D7): at the start, with each look at what is served and with
scheduled CRLs.

A root's CRL that fails leaves the old one in place, is logged and counted, and delays no CRL of an issuing CA.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.manifest import root_id
from servicecert_pki.partitions import FULL, crl_name
from servicecert_pki.root_crl import root_crl_file
from servicecert_worker.core.decider import Outcome, Task

from ..domain.crl_gates import GateFailed
from ..domain.crl_orders import PublishOrder, is_scheduled
from ..domain.crl_plan import CrlVersion
from ..domain.root_gates import RootCrl, check_root, days_left, read_root_crl
from .files import CrlFiles, CrlFilesError, Superseded, file_state, write
from .gauges import CrlStats
from .order_queue import Publish, report
from .places import Distribution, NotPublished

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class RootCrls:
    """Copies the roots' CRLs from the authority's folder to the folder that is served, and to the publishers.

    `_undelivered`: roots whose CRL may be missing at a publisher; `_file_states`: the files of both as last seen.
    """

    authority: Authority
    files: CrlFiles
    distribution: Distribution
    stats: CrlStats
    clock: Callable[[], datetime]
    _undelivered: set[str] = field(default_factory=set, init=False)
    _file_states: dict[str, tuple[int, ...]] = field(default_factory=dict, init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def start(self) -> None:
        """Copy newer CRLs into the folder. The address may not be served yet, so the next check delivers them."""
        for root in self.authority.roots.values():
            self._undelivered.add(root.id)
            self._file_states[root.id] = await asyncio.to_thread(self._file_state, root.id)
            await self._report_fault(root, lambda root: asyncio.to_thread(self._copy_if_newer, root))
            await self._warn(root)

    async def deliver_again(self, id: str) -> None:
        self._undelivered.add(id)
        await self.check()

    async def check(self) -> None:
        """Publish the CRLs whose files changed since the last check, and those that are not delivered everywhere."""
        for root in self.authority.roots.values():
            state = await asyncio.to_thread(self._file_state, root.id)
            changed, self._file_states[root.id] = state != self._file_states.get(root.id), state
            if changed or root.id in self._undelivered:
                await self._report_fault(root, self._publish)
            if changed:
                await self._warn(root)

    def publish_with_scheduled(self, publish: Publish) -> Callable[[Sequence[Task]], Awaitable[Sequence[Outcome]]]:
        """Return the effect that publishes CRLs, and after a CA's scheduled ones the CRL of its root."""

        async def both(tasks: Sequence[Task]) -> Sequence[Outcome]:
            outcomes = await publish(tasks)
            orders: list[PublishOrder] = [task.data for task in tasks if is_scheduled([task.data])]
            issuers = [self.authority.issuers[it.issuer] for it in orders if it.issuer in self.authority.issuers]
            root_ids = {root_id(it.environment, it.family) for it in issuers}
            for id, root in self.authority.roots.items():
                if id in root_ids:
                    self._undelivered.add(id)
                    await self._report_fault(root, self._publish)
                    await self._warn(root)
            return outcomes

        return both

    async def _report_fault(self, root: IssuerInfo, act: Callable[[IssuerInfo], Awaitable[object]]) -> None:
        """Run it, one at a time, and log why a CRL is not published."""
        try:
            async with self._lock:
                await act(root)
        except (GateFailed, CrlFilesError, NotPublished) as fault:
            report(self.stats, root.id, fault)

    async def _warn(self, root: IssuerInfo) -> None:
        """Log a root without a CRL, or with one that expires soon."""
        published = await asyncio.to_thread(self._served, root)
        left = days_left(published, self.clock())
        if published is None:
            log.warning("Root %s has no CRL: make one with `servicecert ca root crl` and carry it to crls/", root.id)
        elif left is not None:
            log.error("The CRL of root %s expires in %d days; make the next one in a ceremony", root.id, left)

    async def _publish(self, root: IssuerInfo) -> None:
        """Copy a newer CRL if there is one, and deliver the published one everywhere."""
        if await asyncio.to_thread(self._copy_if_newer, root):
            self._undelivered.add(root.id)
        content = await asyncio.to_thread(self.files.content, root.id, FULL)
        if root.id in self._undelivered and content is not None and read_root_crl(content, root) is not None:
            await self.distribution.deliver(self.files.folder, root, FULL, CrlVersion.of(content, root))
        self._undelivered.discard(root.id)

    def _file_state(self, id: str) -> tuple[int, ...]:
        """Return a value that changes with the file in the authority's folder, and with the one that is served."""
        files = root_crl_file(self.authority.directory, id), self.files.folder / crl_name(id, FULL)
        return tuple(number for file in files for number in file_state(file))

    def _copy_if_newer(self, root: IssuerInfo) -> bool:
        """Copy a newer CRL into the folder that is served; return whether there was one."""
        try:
            made = root_crl_file(self.authority.directory, root.id).read_bytes()
        except FileNotFoundError:
            return False
        except OSError:
            raise GateFailed("readable", "Its file in SERVICECERT_CA_DIR cannot be read.") from None
        published = self.files.content(root.id, FULL)
        if made == published:
            return False
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
        return True

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
