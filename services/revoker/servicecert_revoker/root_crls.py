"""The roots' CRLs, which ceremonies make and the revoker only publishes (D7): looked for at the start and with the planned CRLs, checked, and put beside the others.

One that must not or cannot be published leaves the old one where it is, is told to the log and the metrics, and holds up no CRL of an issuing CA.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import aiohttp
from servicecert_pki.authority import Authority
from servicecert_pki.crl_reading import Said, Unreadable, is_signed, load, said
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.manifest import root_id
from servicecert_pki.partitions import FULL, crl_name, crl_url
from servicecert_pki.pkix_lint import lint_crl
from servicecert_pki.root_crl import root_crl_file
from servicecert_worker.decider import Outcome, Task

from .crl_files import CrlFiles, CrlFilesRefused
from .effects import Publish
from .gates import GateFailed, check_grows, check_vanished
from .gauges import Tally
from .publication import PublishOrder, is_scheduled
from .publishers import NotPublished, Publisher, fetch_back

log = logging.getLogger(__name__)

_WARNED = timedelta(days=30)


def check_root(crl: bytes, root: IssuerInfo, published: bytes | None, now: datetime) -> Said:
    """Raise GateFailed unless a root's CRL may be published in the place of the `published` one; return what it says of itself."""
    try:
        read = load(crl)
        found, listed = said(read), {it.serial_number for it in read}
    except (Unreadable, ValueError):
        raise GateFailed("readable", "It cannot be read.") from None
    if not is_signed(crl, read, root):
        raise GateFailed("signature", f"It is not signed by {root.id}.")
    if (found.issuer, found.key_id) != (root.subject_der, root.key_id):
        raise GateFailed("issuer", f"It does not name {root.id} and its key.")
    if found.next_update is None or not found.this_update <= now < found.next_update:
        raise GateFailed("times", "It does not hold now: make another one with `servicecert ca root crl`.")
    if found.scope is not None or found.others:
        raise GateFailed("scope", "It is not of all that the root certifies.")
    if findings := lint_crl(crl):
        raise GateFailed("lint", f"The linter finds {', '.join(sorted({it.code for it in findings}))}.")
    old = _readable(published)
    if old is not None:
        check_grows(found.number, old[0].number)
        # A root's list is short: an entry stays on it for ever.
        check_vanished(len(old[1] - listed))
    return found


def _readable(crl: bytes | None) -> tuple[Said, frozenset[int]] | None:
    try:
        read = load(crl) if crl is not None else None
        return (said(read), frozenset(it.serial_number for it in read)) if read is not None else None
    except (Unreadable, ValueError):
        return None


@dataclass(frozen=True, repr=False)
class RootCrls:
    """Brings the CRLs from the authority's folder to where the others are."""

    authority: Authority
    files: CrlFiles
    publishers: Sequence[Publisher]
    base_url: str
    session: aiohttp.ClientSession
    tally: Tally
    clock: Callable[[], datetime]

    async def begin(self) -> None:
        """At a start, publish those that are newer. Their address may not be served yet, so that nothing is fetched back."""
        for root in self.authority.roots.values():
            await self._told(root, planned=False)

    def beside(self, publish: Publish) -> Callable[[Sequence[Task]], Awaitable[Sequence[Outcome]]]:
        """The effect that publishes CRLs, and after the planned ones of a CA its root's."""

        async def both(tasks: Sequence[Task]) -> Sequence[Outcome]:
            outcomes = await publish(tasks)
            orders: list[PublishOrder] = [task.data for task in tasks if is_scheduled([task.data])]
            issuers = [self.authority.issuers[it.issuer] for it in orders if it.issuer in self.authority.issuers]
            wanted = {root_id(it.environment, it.family) for it in issuers}
            for id, root in self.authority.roots.items():
                if id in wanted:
                    await self._told(root, planned=True)
            return outcomes

        return both

    async def _told(self, root: IssuerInfo, *, planned: bool) -> None:
        """Publish one, and say what keeps it from being published."""
        try:
            await self._publish(root, planned=planned)
        except GateFailed as failed:
            self.tally.gate_failed(failed.gate)
            log.error("The CRL of %s is not published, the old one stays: gate %s: %s", root.id, failed.gate, failed)
        except (CrlFilesRefused, NotPublished) as fault:
            self.tally.publisher_failed(fault.publisher)
            log.error("The CRL of %s is not published: %s", root.id, fault)
        last = await asyncio.to_thread(self._last, root.id)
        if last is None or last.next_update is None:
            log.warning("%s has no CRL: make one with `servicecert ca root crl` and carry it to crls/.", root.id)
        elif (left := last.next_update - self.clock()) < _WARNED:
            log.error("alarm: the CRL of %s is good for %d days: make the next one in a ceremony", root.id, left.days)

    async def _publish(self, root: IssuerInfo, *, planned: bool) -> None:
        newer = await asyncio.to_thread(self._bring, root)
        name = crl_name(root.id, FULL)
        content = await asyncio.to_thread(self.files.content, root.id, FULL)
        found = _readable(content)
        if found is None or content is None or not (newer or planned):
            return
        for publisher in self.publishers:
            await publisher.put(name, self.files.folder / name, found[0].number)
        if planned:
            await fetch_back(self.session, crl_url(self.base_url, root.id, FULL), sha256(content).hexdigest())

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
            self.files.put_crl(root.id, FULL, path, number)
        return True

    def _last(self, id: str) -> Said | None:
        found = _readable(self.files.content(id, FULL))
        return found[0] if found else None

    def _published(self) -> Mapping[str, tuple[Said, frozenset[int]]]:
        found = {id: _readable(self.files.content(id, FULL)) for id in self.authority.roots}
        return {crl_name(id, FULL): read for id, read in found.items() if read is not None}

    async def valid(self) -> Mapping[str, float]:
        """Seconds until the next update of each published one, by its file's name."""
        found, now = await asyncio.to_thread(self._published), self.clock()
        return {name: (it.next_update - now).total_seconds() for name, (it, _) in found.items() if it.next_update}

    async def ages(self) -> Mapping[str, float]:
        """Seconds since this update of each, by its file's name."""
        found, now = await asyncio.to_thread(self._published), self.clock()
        return {name: (now - it.this_update).total_seconds() for name, (it, _) in found.items()}

    async def entries(self) -> Mapping[str, float]:
        """Revoked CAs on each, by its file's name."""
        return {name: float(len(listed)) for name, (_, listed) in (await asyncio.to_thread(self._published)).items()}


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
