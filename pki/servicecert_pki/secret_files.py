"""Whether others can read a file of secrets. `servicecert_worker.core.secret_files` has the same rule for settings.

Nobody but the owner may read it. A group may in two cases: it is the user's private one (it has the user's number, as
in our containers), or root gives the file to a group of the process (as Kubernetes and packages do).
"""

import os
from collections.abc import Collection
from pathlib import Path

from .keys import KeyUnavailable


def check_mode(path: Path, kind: str) -> None:
    """Raise KeyUnavailable if others can read the file or change it. A file that cannot be read is its reader's error.

    `kind` names the file in the sentence, such as "key file".
    """
    try:
        status = path.stat()
    except OSError:
        return
    if is_open_to_others(status, os.geteuid(), {os.getegid(), *os.getgroups()}):
        raise KeyUnavailable(
            f"Others can read the {kind} {path}: run `chmod 600 {path}`, and replace what they may have read."
        )


def is_open_to_others(status: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Return whether the mode lets anybody in but this user and a group that is the user's own, or given by root."""
    if status.st_mode & 0o007:
        return True
    by_root = status.st_uid == 0 != user and not status.st_mode & 0o020
    return bool(status.st_mode & 0o070) and not (status.st_gid in groups and (status.st_gid == user != 0 or by_root))
