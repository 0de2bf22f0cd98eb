"""Where broker and database are, by the environment names that the services use too."""

import os

from pydantic import ValidationError
from servicecert_worker.kafka.access import KafkaAccess
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.process.application import settings_fault

from ..faults import UserError


def cluster() -> Cluster:
    """The cluster that the environment names. Raises UserError."""
    bootstrap = _named("KAFKA_BOOTSTRAP_SERVERS", "the broker's host:port")
    return Cluster(bootstrap, os.environ.get("SERVICECERT_TOPIC_PREFIX", ""), kafka_access())


def kafka_access() -> KafkaAccess:
    """How the environment says that Kafka is reached. Raises UserError."""
    try:
        return KafkaAccess()
    except ValidationError as fault:
        raise UserError(f"{settings_fault(fault)}.", os.EX_CONFIG) from None


def database_url() -> str:
    """The database that the environment names. Raises UserError."""
    return _named("DATABASE_URL", "postgresql://user:password@host:port/database")


def _named(name: str, shape: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UserError(
            f"set {name} to {shape}, or start everything on this machine with `servicecert up`.", os.EX_CONFIG
        )
    return value
