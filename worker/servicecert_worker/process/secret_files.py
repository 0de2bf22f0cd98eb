"""Secrets in files: the one way in which passwords, passphrases and PINs are read."""

import os
import stat
from pathlib import Path

_MOUNTED = Path("/run/secrets")
"""Where Docker Compose mounts secrets, always readable for all users of the container."""


class SecretUnreadable(ValueError):
    """A secret's file cannot be used. The text is the rest of a sentence that begins with the setting's name."""


def read_secret(path: Path) -> str:
    """Return the first line of a file. Raises SecretUnreadable if there is none, or everybody may read it."""
    require_private(path)
    try:
        secret = path.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as fault:
        raise SecretUnreadable(f"{path} cannot be read ({_why(fault)})") from None
    if not secret:
        raise SecretUnreadable(f"the first line of {path} is empty: write the secret there")
    return secret


def require_private(path: Path) -> None:
    """Raise SecretUnreadable if all users may read or write a file, or its group may write it.

    Its group may read it: so Kubernetes gives a container its secrets.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        raise SecretUnreadable(f"{path} cannot be read ({_why(fault)})") from None
    if os.name == "posix" and mode & (0o022 if path.is_relative_to(_MOUNTED) else 0o027):
        raise SecretUnreadable(f"{path} may be read by others (mode {mode:04o}): run `chmod 0400 {path}`")


def _why(fault: Exception) -> str:
    return getattr(fault, "strerror", None) or "not UTF-8"
