"""Types and options that several commands use."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from servicecert_schemas.values import Language

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, readable=False)
FILE.name = "file"
FOLDER = click.Path(path_type=Path, file_okay=False)

PUBLIC_KEYS: dict[str, Any] = {
    "envvar": "SERVICECERT_SERVICE_KEYS",
    "required": True,
    "type": FOLDER,
    "help": "Folder of the services' public keys (*.pub), or SERVICECERT_SERVICE_KEYS.",
}
"""The option `--keys`."""

yes = click.option("--yes", is_flag=True, help="Do it. Without this option nothing is changed.")


def folder(default: str, help: str) -> Callable[[F], F]:
    """Return the option `--folder`: where a command writes."""
    return click.option("--folder", type=FOLDER, default=Path(default), show_default=True, help=help)


def moment(text: str) -> datetime:
    """Return a day or a time of ISO 8601; without a zone it is in UTC. Raises BadParameter."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        shape = "2027-03-01, 2027-03-01T08:00 or 2027-03-01T08:00+02:00"
        raise click.BadParameter(f"{text!r} is no time: write it as {shape}.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


MOMENT = click.types.FuncParamType(moment)


def one_of(kind: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([each.value for each in kind])


class _Id(click.types.UUIDParameterType):
    def fail(self, message: str, param: click.Parameter | None = None, ctx: click.Context | None = None) -> NoReturn:
        super().fail(f"{message.removesuffix('.')}: give the whole id.", param, ctx)


ID = _Id()
language = click.option(
    "--language", type=one_of(Language), help="Language of the texts; the default is that of the newest case."
)
