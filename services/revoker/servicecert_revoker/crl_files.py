"""The folder that relying parties fetch from: `<issuer>.crl`, `<issuer>.<partition>.crl` and `<issuer>.cer`, each there whole or not at all.

CrlFilesRefused
├── FolderUnusable      the folder cannot be made or written
└── Superseded          a CRL with a higher number is published already
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from servicecert_pki.partitions import crl_name
from servicecert_worker.faults import OperatorError


class CrlFilesRefused(Exception):
    """The message is one sentence that names the folder and the way out."""


class FolderUnusable(CrlFilesRefused, OperatorError):
    """Nothing can be written there."""


class Superseded(CrlFilesRefused):
    """A publisher that was asleep must not bring back an older list, which would take revoked serials off it (I7, I8)."""


@dataclass(frozen=True, slots=True)
class CrlFiles:
    """The files of all issuing CAs in one folder."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder. Raises FolderUnusable."""
        with self._told():
            self.folder.mkdir(parents=True, exist_ok=True)

    def number(self, issuer: str, partition: int) -> int:
        """The number of the CRL that is published, 0 where none is, or none that can be read."""
        try:
            crl = x509.load_der_x509_crl((self.folder / crl_name(issuer, partition)).read_bytes())
            return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        except (OSError, ValueError, x509.ExtensionNotFound):
            return 0

    def put_crl(self, issuer: str, partition: int, crl: bytes, number: int) -> None:
        """Replace the published CRL by a newer one. Raises Superseded or FolderUnusable."""
        with self._told(), self._alone():
            if (published := self.number(issuer, partition)) >= number:
                raise Superseded(f"CRL {number} of {issuer} comes too late: number {published} is published already.")
            self._write(crl_name(issuer, partition), crl)

    def put_certificate(self, issuer: str, certificate: bytes) -> None:
        """Publish a CA's certificate, which certificates name as their issuer's. Raises FolderUnusable."""
        with self._told(), self._alone():
            self._write(f"{issuer}.cer", certificate)

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

    def _write(self, name: str, content: bytes) -> None:
        partial = self.folder / f".{name}.partial"
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / name)
