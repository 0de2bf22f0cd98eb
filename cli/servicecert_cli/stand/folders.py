"""The folder of a system's mails, CRLs and logs, and of its secrets while it runs."""

import shutil
from pathlib import Path

from ..operations.files import file_errors

_WAY_OUT = "name another --folder, or change its owner to yours"


def empty_folder(folder: Path) -> Path:
    """Empty the folder, create it if missing, and return it. Raises UserError."""
    with file_errors("emptied", folder, _WAY_OUT):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    return folder


def make_folders(folder: Path) -> Path:
    """Create missing folders of mails, CRLs and logs, and an empty `private/`; return the latter. Raises UserError."""
    private = folder / "private"
    with file_errors("written", folder, _WAY_OUT):
        for name in ("mail", "crls", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(mode=0o700)
    return private
