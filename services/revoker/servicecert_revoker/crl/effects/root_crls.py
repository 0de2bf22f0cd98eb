"""The roots' CRLs, which ceremonies make and the revoker only publishes (D7): looked for at the start, every half minute and with the planned CRLs,
checked, and put beside the others.

One that must not or cannot be published leaves the old one where it is, is told to the log and the metrics, and holds up no CRL of an issuing CA.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import aiohttp
from servicecert_pki.authority import Authority
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.manifest import root_id
from servicecert_pki.partitions import FULL, crl_name, crl_url
from servicecert_pki.root_crl import root_crl_file
from servicecert_worker.decider import Outcome, Task
from servicecert_worker.faults import beside, uncancelled

from ..domain.gates import GateFailed
from ..domain.publication import PublishOrder, is_scheduled
from ..domain.root_gates import RootCrl, check_root, days_left, readable
from ..operator.gauges import Tally
from .files import CrlFiles, CrlFilesRefused, Superseded
from .publish import Publish
from .publishers import NotPublished, Publisher, fetch_back

log = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0


@dataclass(frozen=True, repr=False)
class RootCrls:
    """Brings the CRLs from the authority's folder to where the others are.

    `_owed` are the roots whose CRL is not known to have arrived everywhere, `_seen` what was looked at last in the authority's folder.
    """

    authority: Authority
    files: CrlFiles
    publishers: Sequence[Publisher]
    base_url: str
    session: aiohttp.ClientSession
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
        async with beside(self._watch()):
            yield

    async def _watch(self) -> NoReturn:
        while True:
            await asyncio.sleep(self.every)
            try:
                await uncancelled(self.look())
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

    def beside(self, publish: Publish) -> Callable[[Sequence[Task]], Awaitable[Sequence[Outcome]]]:
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
        except GateFailed as failed:
            self.tally.gate_failed(failed.gate)
            log.error("The CRL of %s is not published, the old one stays: gate %s: %s", root.id, failed.gate, failed)
        except (CrlFilesRefused, NotPublished) as fault:
            self.tally.publisher_failed(fault.publisher)
            log.error("The CRL of %s is not published: %s", root.id, fault)

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
        found = readable(content)
        if root.id in self._owed and found is not None and content is not None:
            name = crl_name(root.id, FULL)
            for publisher in self.publishers:
                await publisher.put(name, self.files.folder / name, found.says.number)
            await fetch_back(self.session, crl_url(self.base_url, root.id, FULL), sha256(content).hexdigest())
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
            _write(path, made)
            try:
                self.files.put_crl(root.id, FULL, path, number)
            except Superseded:
                # Another revoker brought the same one meanwhile.
                if self.files.content(root.id, FULL) != made:
                    raise
        return True

    def _published(self) -> Mapping[str, RootCrl]:
        found = {id: readable(self.files.content(id, FULL)) for id in self.authority.roots}
        return {crl_name(id, FULL): read for id, read in found.items() if read is not None}

    async def valid(self) -> Mapping[str, float]:
        """Seconds until the next update of each published one, by its file's name."""
        found, now = await asyncio.to_thread(self._published), self.clock()
        return {name: (it.says.next_update - now).total_seconds() for name, it in found.items() if it.says.next_update}

    async def ages(self) -> Mapping[str, float]:
        """Seconds since this update of each, by its file's name."""
        found, now = await asyncio.to_thread(self._published), self.clock()
        return {name: (now - it.says.this_update).total_seconds() for name, it in found.items()}

    async def entries(self) -> Mapping[str, float]:
        """Revoked CAs on each, by its file's name."""
        return {name: float(len(it.listed)) for name, it in (await asyncio.to_thread(self._published)).items()}


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
