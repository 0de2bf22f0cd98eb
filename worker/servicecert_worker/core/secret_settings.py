"""Files of secrets that settings name: each is checked before a process starts."""

from collections.abc import Iterator
from pathlib import Path

from pydantic_settings import BaseSettings

from .faults import OperatorError
from .secret_files import SecretUnreadable, require_private

PUBLIC = ("_CA_FILE", "_CERTIFICATE_FILE", "_HEALTH_FILE")
"""How the names of settings end whose files hold no secret. Any other `_FILE` does."""


def check_mode(path: Path, setting: str) -> None:
    """Raise `OperatorError` if others can read or change the file that `setting` names, if there is one."""
    try:
        require_private(path)
    except SecretUnreadable as fault:
        raise OperatorError(f"{setting}: {fault}.") from None


def check_secret_files(*settings: BaseSettings) -> None:
    """Check the mode of each file of secrets that settings name, or come from. Raises `OperatorError`."""
    for each in settings:
        for name, path in _secret_files(each):
            check_mode(path, name)


def _secret_files(settings: BaseSettings) -> Iterator[tuple[str, Path]]:
    folder = settings.model_config.get("secrets_dir")
    for name, field in type(settings).model_fields.items():
        setting, value = field.alias or name.upper(), getattr(settings, name)
        if isinstance(value, Path) and setting.endswith("_FILE") and not setting.endswith(PUBLIC):
            yield setting, value
        if isinstance(folder, str | Path):
            yield setting, Path(folder, setting)
