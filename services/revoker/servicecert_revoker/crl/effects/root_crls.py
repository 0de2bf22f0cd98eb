"""The roots' CRLs, which ceremonies make and the revoker only publishes (D7): looked for at the start, every half minute and with the planned CRLs,
checked, and put beside the others.

One that must not or cannot be published leaves the old one where it is, is told to the log and the metrics, and holds up no CRL of an issuing CA.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.manifest import root_id
from servicecert_pki.partitions import FULL, crl_name
from servicecert_pki.root_crl import root_crl_file
from servicecert_worker.decider import Outcome, Task
from servicecert_worker.faults import background, guard_cancellation

from ..domain.gates import GateFailed
from ..domain.plan import Shown
from ..domain.publication import PublishOrder, is_scheduled
from ..domain.root_gates import check_root, days_left, readable
from ..operator.gauges import InForce, Tally
from .files import CrlFiles, CrlFilesRefused, Superseded, write
from .publish import Publish, report
from .publishers import Distribution, NotPublished

log = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0


@dataclass(frozen=True, repr=False)
class RootCrls:
    """Brings the CRLs from the authority's folder to where the others are.

    `_owed` are the roots whose CRL is not known to have arrived everywhere, `_seen` what was looked at last in the authority's folder.
    """

    authority: Authority
    files: CrlFiles
    distribution: Distribution
    tally: Tally
    clock: Callable[[], datetime]
    every: float = _EVERY_SECONDS
    _owed: set[str] = field(default_factory=set, init=False)
    _seen: dict[str, tuple[int, ...]] = field(default_factory=dict, init=False)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def begin(self) -> None:
        """At a start, bring those that are newer into the folder. Their address may not be served yet: the rest waits for the next look."""
        for root in self.authority.roots.values():
            self._owed.add(root.id)
            self._seen[root.id] = await asyncio.to_thread(self._signature, root.id)
            await self._told(root, self._bring_newer)
            await self._warn(root)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look every half minute until the context ends: a revoked CA does not wait for a planned CRL."""
        async with background(self._watch()):
            yield

    async def _watch(self) -> NoReturn:
        while True:
            await asyncio.sleep(self.every)
            try:
                await guard_cancellation(self.look())
            except Exception:
                log.exception("The roots' CRLs could not be looked at; that is done again in %.0f s", self.every)

    async def look(self) -> None:
        """Publish those whose file changed since the last look, and those that have not arrived everywhere."""
        for root in self.authority.roots.values():
            signature = await asyncio.to_thread(self._signature, root.id)
            changed, self._seen[root.id] = signature != self._seen.get(root.id), signature
            if changed or root.id in self._owed:
                await self._told(root, self._publish)
            if changed:
                await self._warn(root)

    def after_each(self, publish: Publish) -> Callable[[Sequence[Task]], Awaitable[Sequence[Outcome]]]:
        """The effect that publishes CRLs, and after the planned ones of a CA its root's."""

        async def both(tasks: Sequence[Task]) -> Sequence[Outcome]:
            outcomes = await publish(tasks)
            orders: list[PublishOrder] = [task.data for task in tasks if is_scheduled([task.data])]
            issuers = [self.authority.issuers[it.issuer] for it in orders if it.issuer in self.authority.issuers]
            wanted = {root_id(it.environment, it.family) for it in issuers}
            for id, root in self.authority.roots.items():
                if id in wanted:
                    self._owed.add(id)
                    await self._told(root, self._publish)
                    await self._warn(root)
            return outcomes

        return both

    async def _told(self, root: IssuerInfo, act: Callable[[IssuerInfo], Awaitable[None]]) -> None:
        """Do it, one at a time, and say what keeps a CRL from being published."""
        try:
            async with self._alone:
                await act(root)
        except (GateFailed, CrlFilesRefused, NotPublished) as fault:
            report(self.tally, root.id, fault)

    async def _warn(self, root: IssuerInfo) -> None:
        """Say where the next one is wanted."""
        published = readable(await asyncio.to_thread(self.files.content, root.id, FULL))
        left = days_left(published, self.clock())
        if published is None:
            log.warning("%s has no CRL: make one with `servicecert ca root crl` and carry it to crls/.", root.id)
        elif left is not None:
            log.error("alarm: the CRL of %s is good for %d days: make the next one in a ceremony", root.id, left)

    async def _bring_newer(self, root: IssuerInfo) -> None:
        await asyncio.to_thread(self._bring, root)

    async def _publish(self, root: IssuerInfo) -> None:
        """Bring a newer one if there is one, and what is published then to all places."""
        if await asyncio.to_thread(self._bring, root):
            self._owed.add(root.id)
        content = await asyncio.to_thread(self.files.content, root.id, FULL)
        if root.id in self._owed and content is not None and readable(content) is not None:
            await self.distribution.deliver(self.files.folder, root.id, FULL, Shown.of(content))
        self._owed.discard(root.id)

    def _signature(self, id: str) -> tuple[int, ...]:
        """Tells whether the file in the authority's folder is another one."""
        try:
            found = root_crl_file(self.authority.directory, id).stat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _bring(self, root: IssuerInfo) -> bool:
        """Put a newer CRL into the folder that is served; say whether there is one."""
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
        with self.files.workshop() as workshop:
            path = workshop / "root"
            write(path, made)
            try:
                self.files.put_crl(root.id, FULL, path, number)
            except Superseded:
                # Another revoker brought the same one meanwhile.
                if self.files.content(root.id, FULL) != made:
                    raise
        return True

    async def in_force(self) -> Mapping[str, InForce]:
        """Return the published ones by their files' names; the entries are revoked CAs."""
        return await asyncio.to_thread(self._in_force)

    def _in_force(self) -> Mapping[str, InForce]:
        found = {id: readable(self.files.content(id, FULL)) for id in self.authority.roots}
        return {
            crl_name(id, FULL): InForce(it.says.this_update, it.says.next_update, len(it.listed))
            for id, it in found.items()
            if it is not None
        }
