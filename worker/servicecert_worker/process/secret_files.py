"""Files of secrets that settings name: nobody but this process may read them.

A group may in two cases: it is the user's private one (it has the user's number, as in our containers), or root gives
the file to a group of the process (as Kubernetes and packages do). `servicecert_pki.secret_files` has the same rule for
the files of a CA.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic_settings import BaseSettings

from ..faults import OperatorError

_PUBLIC = ("_CA_FILE", "_CERTIFICATE_FILE", "_HEALTH_FILE")
"""How the names of settings end whose files hold no secret. Any other `_FILE` does."""


def read_secret(path: Path, setting: str) -> str:
    """Return the first line of the file that `setting` names. Raises `OperatorError`."""
    check_mode(path, setting)
    try:
        line = path.read_text().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as fault:
        raise OperatorError(
            f"{setting}: {path} cannot be read ({getattr(fault, 'strerror', 'not UTF-8')}).", os.EX_NOINPUT
        ) from None
    if not line:
        raise OperatorError(f"{setting}: the first line of {path} is empty: write the secret there.", os.EX_NOINPUT)
    return line


def check_secret_files(*settings: BaseSettings) -> None:
    """Check the mode of each file of secrets that settings name, or come from. Raises `OperatorError`."""
    for each in settings:
        for name, path in _secret_files(each):
            check_mode(path, name)


def _secret_files(settings: BaseSettings) -> Iterator[tuple[str, Path]]:
    folder = settings.model_config.get("secrets_dir")
    for name, field in type(settings).model_fields.items():
        setting, value = field.alias or name.upper(), getattr(settings, name)
        if isinstance(value, Path) and setting.endswith("_FILE") and not setting.endswith(_PUBLIC):
            yield setting, value
        if isinstance(folder, str | Path):
            yield setting, Path(folder, setting)


def check_mode(path: Path, setting: str) -> None:
    """Raise `OperatorError` if others can read or change the file that `setting` names, if there is one."""
    try:
        status = path.stat()
    except OSError:
        return
    if is_open_to_others(status, os.geteuid(), {os.getegid(), *os.getgroups()}):
        raise OperatorError(
            f"{setting}: others can read {path}: run `chmod 600 {path}`, and replace what they may have read."
        )


def is_open_to_others(status: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Return whether the mode lets anybody in but this user and a group that is the user's own, or given by root."""
    if status.st_mode & 0o007:
        return True
    by_root = status.st_uid == 0 != user and not status.st_mode & 0o020
    return bool(status.st_mode & 0o070) and not (status.st_gid in groups and (status.st_gid == user != 0 or by_root))
