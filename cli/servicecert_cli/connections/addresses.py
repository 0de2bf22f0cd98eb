"""Addresses of the broker and the database, from the same environment variables as the services."""

import os
from pathlib import Path

from pydantic import ValidationError
from servicecert_worker.core.access import KafkaAccess
from servicecert_worker.core.secret_files import SecretUnreadable, read_secret
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime.settings import SECRETS, settings_fault
from servicecert_worker.storage.database import with_password

from ..faults import UserError

_RUNNING = Path("var/up/as/operator")
"""There while `servicecert up` runs in this folder: what reads it is the operator of that system."""


def cluster() -> Cluster:
    """Return the cluster that the environment names. Raises UserError."""
    bootstrap = _named("KAFKA_BOOTSTRAP_SERVERS", "the broker's host:port")
    return Cluster(bootstrap, os.environ.get("SERVICECERT_TOPIC_PREFIX", ""), kafka_access())


def kafka_access() -> KafkaAccess:
    """Return the environment's settings of TLS and SASL for Kafka. Raises UserError."""
    try:
        return KafkaAccess()
    except ValidationError as fault:
        raise UserError(f"{settings_fault(fault)}.", os.EX_CONFIG) from None


def database_url() -> str:
    """Return the database's URL with its password, from the environment or a file of SECRETS. Raises UserError."""
    if not (url := os.environ.get("DATABASE_URL")) and (file := SECRETS / "DATABASE_URL").is_file():
        url = file.read_text().strip()
    url = url or _named("DATABASE_URL", "postgresql://user:password@host:port/database")
    if not (path := os.environ.get("DATABASE_PASSWORD_FILE")):
        return url
    try:
        return with_password(url, read_secret(Path(path)))
    except SecretUnreadable as fault:
        raise UserError(f"DATABASE_PASSWORD_FILE: {fault}.", os.EX_NOINPUT) from None


def _named(name: str, shape: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        here = f"use the running `servicecert up`: `. {_RUNNING}`"
        way_out = here if _RUNNING.exists() else "start everything on this machine with `servicecert up`"
        raise UserError(f"Set {name} to {shape}, or {way_out}.", os.EX_CONFIG)
    return value
