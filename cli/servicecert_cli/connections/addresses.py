"""Addresses of the broker and the database, from the same environment variables as the services."""

import os
from pathlib import Path

from servicecert_schemas.broker import Principal
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime.environment import read, warn_of_unknown_variables
from servicecert_worker.runtime.settings import ClusterSettings, DatabaseSettings

from ..faults import UserError

UP_LOGINS = Path("var/up/as")
"""There while `servicecert up` runs in this folder: a file for each user of that system."""


MAIL_FOLDER = "SERVICECERT_EXAMPLE_MAILS"
"""Set in a terminal that has read the `environment` of a `servicecert up`, whose folder has that of its mails."""


def cluster() -> Cluster:
    """Return the cluster that the environment names. Raises UserError and OperatorError."""
    if not (servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS")):
        raise _unset("KAFKA_BOOTSTRAP_SERVERS", "the broker's host:port")
    if mails := os.environ.get(MAIL_FOLDER):
        file = Path(mails).parent / "environment"
        # Some users log in at another port than the e-service.
        if not any(servers in each.read_text() for each in (file, *file.parent.glob("as/*")) if each.is_file()):
            ended = "The `servicecert up` of this terminal has ended"
            raise UserError(f"{ended}: start it if it does not run, then `. {file}` again.", os.EX_UNAVAILABLE)
    warn_of_unknown_variables()
    return read(ClusterSettings).cluster


def database_url() -> str:
    """Return the database's URL with its password, from the environment or a file. Raises UserError, OperatorError."""
    warn_of_unknown_variables()
    if not (url := read(DatabaseSettings).dsn):
        raise _unset("DATABASE_URL", "postgresql://user:password@host:port/database")
    return url


def _unset(name: str, shape: str) -> UserError:
    here = f"use the running `servicecert up`: `. {UP_LOGINS / Principal.OPERATOR}`"
    way_out = here if UP_LOGINS.exists() else "start everything on this machine with `servicecert up`"
    return UserError(f"Set {name} to {shape}, or {way_out}.", os.EX_CONFIG)
