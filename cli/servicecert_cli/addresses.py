"""Where broker and database are, by the environment names that the services use too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from servicecert_schemas.topics import Topic
from servicecert_worker.kafka.access import IN_THE_CLEAR, KafkaAccess
from servicecert_worker.process.application import settings_fault

from .faults import Told

EX_CONFIG = 78


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster, and what stands there before the name of each topic and group of this installation."""

    bootstrap: str
    prefix: str = ""
    access: KafkaAccess = IN_THE_CLEAR

    @property
    def client(self) -> dict[str, Any]:
        """What aiokafka's clients are opened with."""
        return self.access.to(self.bootstrap)

    def name(self, topic: Topic) -> str:
        """What the topic is called in this cluster."""
        return self.prefix + topic.name

    def group(self, service: str) -> str:
        """What the service's consumer group is called in this cluster."""
        return self.prefix + service

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name this cluster to a service."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.bootstrap, "SERVICECERT_TOPIC_PREFIX": self.prefix}


def cluster() -> Cluster:
    """The cluster that the environment names. Raises Told."""
    bootstrap = _named("KAFKA_BOOTSTRAP_SERVERS", "the broker's host:port")
    return Cluster(bootstrap, os.environ.get("SERVICECERT_TOPIC_PREFIX", ""), kafka_access())


def kafka_access() -> KafkaAccess:
    """How the environment says that Kafka is reached. Raises Told."""
    try:
        return KafkaAccess()
    except ValidationError as fault:
        raise Told(f"{settings_fault(fault)}.", EX_CONFIG) from None


def database_url() -> str:
    """The database that the environment names. Raises Told."""
    return _named("DATABASE_URL", "postgresql://user:password@host:port/database")


def _named(name: str, shape: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise Told(f"set {name} to {shape}, or start everything on this machine with `servicecert up`.", EX_CONFIG)
    return value
