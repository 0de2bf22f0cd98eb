"""Files that commands read and write; those that hold secrets are readable by their owner alone, from the first byte on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ..faults import UserError


@contextmanager
def can_be(done: Literal["read", "written", "emptied"], path: Path, way_out: str) -> Iterator[None]:
    """Tells why a file or folder cannot be read, written or emptied, and the way out. Raises UserError."""
    try:
        yield
    except OSError as fault:
        code = os.EX_NOINPUT if done == "read" else os.EX_CANTCREAT
        raise UserError(f"{path} cannot be {done} ({fault.strerror}): {way_out}.", code) from None


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Writes a file of mode 0600. Raises UserError where it exists already and must not be replaced, or cannot be written."""
    partial = path.with_name(f".{path.name}.partial")
    with can_be("written", path, "name another file"):
        if not replace and path.exists():
            raise UserError(f"{path} exists already and is not overwritten: name another file.", os.EX_CANTCREAT)
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        partial.replace(path)
