"""Who runs PostgreSQL, and where that user can reach.

PostgreSQL refuses to run as root. A launcher that is root gives its data folder to `nobody`, a user that every system
has, so that none need be made. That user cannot look into a checkout below a closed home folder, so the folders used
here are ones it can reach.
"""

import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import MissingPart

EVERYONE_READS = 0o444
EVERYONE_ENTERS = 0o555


@dataclass(frozen=True)
class Account:
    """A user and group by number; as text `uid:gid`."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def unprivileged() -> Account | None:
    """The account that PostgreSQL must run as, None when ours will do."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise MissingPart("PostgreSQL does not run as root and this machine has no user `nobody`") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def reachable(path: Path) -> bool:
    """Whether every user may enter `path` and all folders above it."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def run_folder(account: Account | None, purpose: str) -> Path:
    """Makes an empty folder in the system's temporary folder that belongs to `account` (None: to us) alone."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    parent = next((c for c in candidates if account is None or (c.is_dir() and reachable(c.resolve()))), None)
    if parent is None:
        raise MissingPart("No temporary folder can be entered by the user `nobody`")
    folder = Path(tempfile.mkdtemp(prefix=f"servicecert-{purpose}-", dir=parent))
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder


def copy_for_everyone(source: Path, target: Path) -> None:
    """Copies a tree so that every user can read it and run its programs, whatever umask it was installed under."""
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (EVERYONE_ENTERS if path.is_dir() or mode & 0o100 else EVERYONE_READS))
