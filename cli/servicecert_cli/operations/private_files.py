"""Files that hold secrets: readable by their owner alone, from the first byte on."""

from __future__ import annotations

import os
from pathlib import Path

from ..faults import Told


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Writes a file of mode 0600. Raises Told where it exists already and must not be replaced, or cannot be written."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        if not replace and path.exists():
            raise Told(f"{path} exists already and is not overwritten: name another file.", os.EX_CANTCREAT)
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError as fault:
        raise Told(f"{path} cannot be written ({fault.strerror}): name another file.", os.EX_CANTCREAT) from None
