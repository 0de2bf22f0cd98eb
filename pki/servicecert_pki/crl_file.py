"""A list written into a file while its entries come, so that a million of them take no more memory than some (RFC 5280, 5).

The entries' size is known before the first of them, so every header but the outermost is. That one waits for the signature's size: a gap is left for
it, and in the rare case that it fits badly the rest of the file is moved.
"""

import mmap
import os
from pathlib import Path
from typing import BinaryIO, Self, cast

from . import der
from .crl import CrlHead
from .keys import SigningKey


class CrlFile:
    """A list that is written to `path`: `add` each part of `size` octets of entries, then leave the context, then `sign`.

    All raise OSError, e.g. where the disk is full.
    """

    def __init__(self, path: Path, head: CrlHead, size: int) -> None:
        self.path = path
        self._head = head
        self._before, self._after = head.around(size)
        self._left = size
        self._tbs_size = len(self._before) + size + len(self._after)
        self._gap = len(self._outer(bytes(head.issuer.public_key.key_size // 8)))
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self.path.open("wb")
        self._file.write(bytes(self._gap) + self._before)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entries: bytes) -> None:
        """Write some encoded entries. Raises ValueError for more than were announced."""
        self._left -= len(entries)
        if self._left < 0:
            raise ValueError("more entries came than were announced")
        self._file.write(entries)

    def sign(self, key: SigningKey) -> None:
        """Sign what was written and put it onto the disk. Raises ValueError where entries are missing; KeyUnavailable."""
        if self._left:
            raise ValueError("fewer entries came than were announced")
        with self.path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(self._after)
            file.flush()
            signature = self._signed(file, key)
            outer = self._outer(signature)
            if len(outer) != self._gap:
                _move(file, self._gap, len(outer))
            file.seek(0, os.SEEK_END)
            file.write(self._head.algorithm + der.bit_string(signature))
            file.seek(0)
            file.write(outer)
            file.flush()
            os.fsync(file.fileno())

    def _outer(self, signature: bytes) -> bytes:
        size = self._tbs_size + len(self._head.algorithm) + len(der.bit_string(signature))
        return der.header(der.SEQUENCE, size)

    def _signed(self, file: BinaryIO, key: SigningKey) -> bytes:
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[self._gap :] as tbs,
        ):
            # Hashing takes any buffer, and what is signed is never copied.
            return key.sign(cast(bytes, tbs))


def _move(file: BinaryIO, old: int, new: int) -> None:
    """Move all that stands after a gap to where it stands after another."""
    file.seek(old)
    content = file.read()
    file.seek(new)
    file.write(content)
    file.truncate()
