"""Files that commands read and write. Files with secrets are readable by their owner alone, from the start."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ..faults import UserError


@contextmanager
def file_errors(action: Literal["read", "written", "emptied"], path: Path, way_out: str) -> Iterator[None]:
    """Turn an OSError of the block into a UserError: the path, the action, the cause, and the way out."""
    try:
        yield
    except OSError as fault:
        code = os.EX_NOINPUT if action == "read" else os.EX_CANTCREAT
        raise UserError(f"{path} cannot be {action} ({fault.strerror}): {way_out}.", code) from None


def content_of(path: Path, way_out: str, most: int) -> bytes:
    """Return a file's octets. Raises UserError if it cannot be read, or has more than so many."""
    with file_errors("read", path, way_out), path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UserError(f"{path} is too large, more than {most} bytes: {way_out}.", os.EX_DATAERR)
    return content


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file of mode 0600. Raises UserError if it exists and `replace` is false, or if it cannot be written."""
    with file_errors("written", path, "name another file"):
        if not replace:
            refuse_existing(path)
        write_whole(path, content, 0o600)


def refuse_existing(path: Path) -> None:
    if path.exists():
        raise UserError(f"{path} already exists and is not overwritten: name another file.", os.EX_CANTCREAT)


def require_writable(path: Path) -> None:
    """Raise UserError if a file cannot be read and written: ask before a secret is new that nobody would have."""
    with file_errors("written", path, "name another file"):
        if path.exists():
            path.open("rb").close()
        tried = path.with_name(f".{path.name}.tried")
        write_whole(tried, b"", 0o600)
        tried.unlink()


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole, of this mode from the first byte on. Raises OSError."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
