"""The folder that relying parties fetch from: `<issuer>.crl`, `<issuer>.<partition>.crl` and `<issuer>.cer`, each there whole or not at all.

CrlFilesRefused
├── FolderUnusable      the folder cannot be made or written
└── Superseded          a CRL with a higher number is published already
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from servicecert_pki.partitions import crl_name
from servicecert_worker.faults import OperatorError

from ..domain.plan import Shown
from .publishers import FOLDER

_WORKSHOP = ".making-"
_FORGOTTEN_SECONDS = 3600.0


class CrlFilesRefused(Exception):
    """The message is one sentence that names the folder and the way out."""

    publisher = FOLDER


class FolderUnusable(CrlFilesRefused, OperatorError):
    """Nothing can be written there."""


class Superseded(CrlFilesRefused):
    """A publisher that was asleep must not bring back an older list, which would take revoked serials off it (I7, I8)."""


@dataclass(frozen=True, slots=True)
class CrlFiles:
    """The files of all issuing CAs in one folder."""

    folder: Path
    _known: dict[str, tuple[tuple[int, int, int], Shown]] = field(default_factory=dict, repr=False, compare=False)

    def prepare(self) -> None:
        """Make the folder, and clear away what a publisher that died has left. Raises FolderUnusable."""
        with self._told():
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(f"{_WORKSHOP}*"):
                # Another revoker may take its own away meanwhile.
                with suppress(FileNotFoundError):
                    if left.stat().st_mtime < time.time() - _FORGOTTEN_SECONDS:
                        shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def workshop(self) -> Iterator[Path]:
        """A folder of one's own to make files in, beside those that are served. Raises FolderUnusable."""
        with self._told():
            made = Path(tempfile.mkdtemp(prefix=_WORKSHOP, dir=self.folder))
        try:
            with self._told():
                yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def shown(self, issuer: str, partition: int) -> Shown | None:
        """The CRL that is published, None where none is. A file that stays as it is is read once."""
        path = self.folder / crl_name(issuer, partition)
        try:
            found = path.stat()
            same = (found.st_ino, found.st_mtime_ns, found.st_size)
            if (known := self._known.get(path.name)) and known[0] == same:
                return known[1]
            content = path.read_bytes()
        except OSError:
            return None
        shown = Shown.of(content)
        self._known[path.name] = (same, shown)
        return shown

    def content(self, issuer: str, partition: int) -> bytes | None:
        """The bytes of the CRL that is published, None where none is."""
        try:
            return (self.folder / crl_name(issuer, partition)).read_bytes()
        except OSError:
            return None

    def put_crl(self, issuer: str, partition: int, made: Path, number: int) -> None:
        """Move a CRL, which is on the disk, to where the published one is, as changed now and after that one. Raises Superseded or FolderUnusable."""
        target = self.folder / crl_name(issuer, partition)
        with self._told(), self._alone():
            shown = self.shown(issuer, partition)
            if shown is not None and shown.number >= number:
                raise Superseded(
                    f"CRL {number} of {issuer} comes too late: number {shown.number} is published already."
                )
            # A server tells its clients by this time which file they have: it grows even where the clock goes back.
            changed = max(time.time_ns(), target.stat().st_mtime_ns + 1 if shown else 0)
            os.utime(made, ns=(changed, changed))
            made.replace(target)

    def put_certificate(self, issuer: str, certificate: bytes) -> None:
        """Publish a CA's certificate, which certificates name as their issuer's. Raises FolderUnusable."""
        with self.workshop() as workshop, self._alone():
            made = workshop / f"{issuer}.cer"
            write(made, certificate)
            made.replace(self.folder / made.name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            raise FolderUnusable(
                f"The folder {self.folder} cannot be used ({fault.strerror}): "
                "give SERVICECERT_CRL_DIR a folder that the revoker may write."
            ) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock, which the system takes back from whoever dies."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write(path: Path, content: bytes) -> None:
    """Write a file so that it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
