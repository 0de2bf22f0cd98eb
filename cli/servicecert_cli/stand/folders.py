"""The folder that a system leaves its mails, CRLs and logs in, and its secrets while it runs."""

import shutil
from pathlib import Path

from ..operations.files import can_be


def emptied(folder: Path) -> Path:
    """The folder, with nothing in it. Raises UserError where it cannot be emptied."""
    with can_be("emptied", folder, "free it, or make it yours"):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    return folder


def make_folders(folder: Path) -> Path:
    """Makes the folders of mails, CRLs and logs where they are missing, and `private/` anew; returns the latter. Raises UserError."""
    private = folder / "private"
    with can_be("written", folder, "free it, or make it yours"):
        for name in ("mail", "crls", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(mode=0o700)
    return private
