"""Secrets in files: the one way in which passwords, passphrases, PINs and keys of settings are read and checked.

Nobody but the process may read such a file. A group may in two cases: it is the user's private one (it has the user's
number, as in our containers), or root gives the file to a group of the process (as Kubernetes and packages do).
`servicecert_pki.software_key` has the same rule for the files of a CA.
"""

import os
from collections.abc import Collection
from pathlib import Path

_MOUNTED = Path("/run/secrets")
"""Where Docker Compose mounts secrets, always readable for all users of the container."""


class SecretUnreadable(ValueError):
    """A secret's file cannot be used. The text is the rest of a sentence that begins with the setting's name."""


def read_secret(path: Path) -> str:
    """Return the first line of a file. Raises SecretUnreadable if there is none, or others can read it."""
    require_private(path)
    try:
        secret = path.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as fault:
        raise SecretUnreadable(f"{path} cannot be read ({getattr(fault, 'strerror', None) or 'not UTF-8'})") from None
    if not secret:
        raise SecretUnreadable(f"the first line of {path} is empty: write the secret there")
    return secret


def require_private(path: Path) -> None:
    """Raise SecretUnreadable if others can read or change a file, if there is one."""
    try:
        status = path.stat()
    except OSError:
        return
    if path.is_relative_to(_MOUNTED) and not status.st_mode & 0o022:
        return
    if is_open_to_others(status, os.geteuid(), {os.getegid(), *os.getgroups()}):
        raise SecretUnreadable(f"others can read {path}: run `chmod 600 {path}`, and replace what they may have read")


def is_open_to_others(status: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Return whether the mode lets anybody in but this user and a group that is the user's own, or given by root."""
    if status.st_mode & 0o007:
        return True
    by_root = status.st_uid == 0 != user and not status.st_mode & 0o020
    return bool(status.st_mode & 0o070) and not (status.st_gid in groups and (status.st_gid == user != 0 or by_root))
