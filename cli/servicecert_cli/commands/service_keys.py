"""`servicecert service-keys`: the keys by which the services know each other's records."""

from pathlib import Path

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.service_keys import make_keys

from ..terminal.output import as_json, say
from .options import FOLDER


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--apart", is_flag=True, help="A folder for each service's .key, and `public` for all .pub files.")
@click.option("--service", "services", multiple=True, type=click.Choice(SERVICES), help="Only this service.")
@as_json
def command(folder: Path, apart: bool, services: tuple[str, ...], as_json: bool) -> None:
    """Make the services' own keys, by which they know each other's records.

    A service signs its events and audit checkpoints with <service>.key. Give each its own
    with SERVICECERT_SERVICE_KEY_FILE, out of reach for database administrators, and give
    all services and OCSP responders the .pub files with SERVICECERT_SERVICE_KEYS.
    docs/tasks/service-keys.md says how to replace a key.

    Examples:
      servicecert service-keys service-keys
      servicecert service-keys --service intake new-keys
    """
    paths = make_keys(folder, services or SERVICES, apart=apart)
    say(
        as_json,
        {"made": [str(path) for path in paths]},
        f"Made {len(paths)} files in {folder}. Give each service its own .key and no other, and all .pub files.",
    )
