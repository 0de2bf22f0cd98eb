"""The user that runs PostgreSQL, and folders that this user can enter.

PostgreSQL refuses to run as root. If the launcher is root, its data folder belongs to `nobody`, a user that every
system has. That user cannot enter a checkout below a closed home folder, so other folders are used.
"""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from .errors import MissingPart

EVERYONE_READS = 0o444
EVERYONE_ENTERS = 0o555

Account = pwd.struct_passwd


def unprivileged() -> Account | None:
    """Return the account that PostgreSQL must run as, None if ours is not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise MissingPart("PostgreSQL does not run as root and this machine has no user `nobody`") from None


def reachable(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def run_folder(account: Account | None, purpose: str) -> Path:
    """Make an empty temporary folder that only `account` (None: we) can enter."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    parent = next((c for c in candidates if account is None or (c.is_dir() and reachable(c.resolve()))), None)
    if parent is None:
        raise MissingPart("The user `nobody` cannot enter any temporary folder")
    folder = Path(tempfile.mkdtemp(prefix=f"servicecert-{purpose}-", dir=parent))
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def copy_for_everyone(source: Path, target: Path) -> None:
    """Copy a tree so that every user can read it and run its programs, whatever its umask was."""
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (EVERYONE_ENTERS if path.is_dir() or mode & 0o100 else EVERYONE_READS))
