"""The folder that relying parties fetch from: `<issuer>.crl`, `<issuer>.<partition>.crl`, `<issuer>.cer`, each atomic.

NotPublished
├── FolderUnusable      the folder cannot be created or written
└── Superseded          a CRL with a higher number is published already
"""

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.partitions import crl_name

from ..domain.crl_orders import CrlVersion
from .places import FOLDER, NotPublished

_TEMPORARY, _LOCK = ".making-", ".lock"
_ABANDONED_SECONDS = 3600.0
_PUBLIC = 0o644
"""Whatever the umask: the web server has an account of its own."""


class FolderUnusable(NotPublished):
    """The folder cannot be written."""

    exit_code = 78


class Superseded(NotPublished):
    """A delayed revoker must not restore an older CRL, which would lack revoked serial numbers (I7, I8)."""


@dataclass(frozen=True, slots=True)
class CrlFiles:
    """The files of all issuing CAs in one folder."""

    folder: Path
    _cache: dict[str, tuple[tuple[int, ...], CrlVersion]] = field(default_factory=dict, repr=False, compare=False)

    def prepare(self) -> None:
        """Create the folder, and delete the temporary folders of crashed revokers. Raises FolderUnusable."""
        with self._folder_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(f"{_TEMPORARY}*"):
                # Another revoker may delete its own meanwhile.
                with suppress(FileNotFoundError):
                    if left.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                        shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def temporary_folder(self) -> Iterator[Path]:
        """Yield a temporary folder on the same file system as the served files. Raises FolderUnusable."""
        with self._folder_errors():
            temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self.folder))
        try:
            with self._folder_errors():
                yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def version(self, file: str, issuer: IssuerInfo) -> CrlVersion | None:
        """Return a CA's file as it is here, None if there is none. An unchanged file is read once."""
        path = self.folder / file
        state = file_state(path)
        if (cached := self._cache.get(path.name)) and cached[0] == state:
            return cached[1]
        try:
            content = path.read_bytes()
        except OSError:
            return None
        version = CrlVersion.of(content, issuer)
        self._cache[path.name] = (state, version)
        return version

    def content(self, issuer: str, partition: int) -> bytes | None:
        """Return the bytes of the published CRL, None if there is none."""
        try:
            return (self.folder / crl_name(issuer, partition)).read_bytes()
        except OSError:
            return None

    def put_crl(self, issuer: IssuerInfo, partition: int, made: Path, number: int) -> None:
        """Replace the published CRL by the file `made`, with a later mtime. Raises Superseded or FolderUnusable."""
        target = self.folder / crl_name(issuer.id, partition)
        with self._folder_errors(), self._locked():
            published = self.version(target.name, issuer)
            if published is not None and published.number >= number:
                raise Superseded(
                    FOLDER, f"CRL {number} of {issuer.id} is outdated: number {published.number} is published already."
                )
            # Last-Modified and ETag come from this time: it grows even if the clock goes back.
            changed = max(time.time_ns(), target.stat().st_mtime_ns + 1 if published else 0)
            os.utime(made, ns=(changed, changed))
            made.chmod(_PUBLIC)
            made.replace(target)

    def put_certificate(self, issuer: str, certificate: bytes) -> None:
        """Publish a CA's certificate, which certificates name as their issuer's. Raises FolderUnusable."""
        with self.temporary_folder() as temporary, self._locked():
            made = temporary / f"{issuer}.cer"
            write(made, certificate)
            made.chmod(_PUBLIC)
            made.replace(self.folder / made.name)

    @contextmanager
    def _folder_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            if fault.errno is None or isinstance(fault, ConnectionError):
                # PostgreSQL's: a pass asks it within the folder.
                raise
            is_full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
            other = "give SERVICECERT_CRL_DIR a folder that the revoker may write"
            way_out = "make room on its disk" if is_full else other
            unusable = FolderUnusable(FOLDER, f"The folder {self.folder} cannot be used ({fault.strerror}): {way_out}.")
            # There may be room when a supervisor starts it again.
            unusable.exit_code = 75 if is_full else 78
            raise unusable from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            # NFS has locks of files alone, which are open for writing.
            with (self.folder / _LOCK).open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            os.fsync(folder)
        finally:
            os.close(folder)


def file_state(path: Path) -> tuple[int, ...]:
    """Return a value that changes with a file, an empty one if it is not there.

    It is opened: of a name alone, a network file system may answer from memory.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def write(path: Path, content: bytes) -> None:
    """Write a file and sync it to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
