"""The folder of a system's mails, CRLs and logs, and of its secrets while it runs: its user's alone."""

import fcntl
import os
import shutil
from pathlib import Path

from ..faults import UserError
from ..operations.files import file_errors

_OURS = frozenset({"story.txt", "ca", "mail", "private", "system", "prometheus"})
"""What systems begin with: a folder that has files and none of these is somebody else's."""
_WAY_OUT = "name another --folder, or change its owner to yours"


def empty_folder(folder: Path) -> Path:
    """Empty the folder, create it if missing, hold it until this process ends, and return it. Raises UserError."""
    with file_errors("emptied", folder, _WAY_OUT):
        if folder.exists():
            _hold(folder)
            if (names := {each.name for each in folder.iterdir()}) and not names & _OURS:
                raise UserError(f"{folder} has files that are not ours: name an empty --folder.", os.EX_CANTCREAT)
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700, parents=True)
        _hold(folder)
    return folder


def make_folders(folder: Path) -> Path:
    """Create missing folders of mails, CRLs and logs, and an empty `private/`; return the latter. Raises UserError."""
    private = folder / "private"
    with file_errors("written", folder, _WAY_OUT):
        shutil.rmtree(private, ignore_errors=True)
        for each in (folder, folder / "mail", folder / "crls", folder / "logs", private):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            each.chmod(0o700)
    return private


def _hold(folder: Path) -> None:
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{folder} belongs to a system that runs: name another --folder.", os.EX_CANTCREAT) from None
    except OSError:
        # Not every file system locks folders.
        pass
