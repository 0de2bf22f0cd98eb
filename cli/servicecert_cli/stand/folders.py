"""The folder that a system leaves its mails, CRLs and logs in, and its secrets while it runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..faults import Told


def emptied(folder: Path) -> Path:
    """The folder, with nothing in it. Raises Told where it cannot be emptied."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as fault:
        raise Told(
            f"{folder} cannot be emptied ({fault.strerror}): free it, or make it yours.", os.EX_CANTCREAT
        ) from None
    return folder


def make_folders(folder: Path) -> Path:
    """Makes the folders of mails, CRLs and logs where they are missing, and `private/` anew; returns the latter. Raises Told."""
    private = folder / "private"
    try:
        for name in ("mail", "crls", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(mode=0o700)
    except OSError as fault:
        raise Told(
            f"{folder} cannot be written ({fault.strerror}): free it, or make it yours.", os.EX_CANTCREAT
        ) from None
    return private
