"""Types and options that several commands use."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

PUBLIC_KEYS: dict[str, Any] = {
    "envvar": "SERVICECERT_SERVICE_KEYS",
    "required": True,
    "type": FOLDER,
    "help": "Folder of the services' public keys (*.pub), or SERVICECERT_SERVICE_KEYS.",
}
"""The option `--keys`."""

yes = click.option("--yes", is_flag=True, help="Do it. Without this option nothing is changed.")


class Moment(click.DateTime):
    """A date and time; without a zone it is in UTC."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        moment: datetime = super().convert(value, param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


MOMENT = Moment(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])


def one_of(kind: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([each.value for each in kind])
