"""Attachments, in a folder by their SHA-256: events name them by reference, and never have them inside."""

import os
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

MOST_OCTETS = 10 * 2**20
_KINDS = {b"%PDF-": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def media_type(content: bytes) -> str | None:
    """Return the type of a file by its first bytes, whatever its sender says; None for one that is not accepted."""
    return next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)


def store(folder: Path, content: bytes) -> str:
    """Write a file so that it is whole or absent; return its SHA-256."""
    digest = sha256(content).hexdigest()
    path = folder / "attachments" / digest
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f"{uuid4()}.part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    return digest
