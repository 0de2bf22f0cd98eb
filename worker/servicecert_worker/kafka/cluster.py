"""A Kafka cluster as this installation uses it."""

from dataclasses import dataclass
from typing import Any

from servicecert_schemas.topics import Topic

from .access import IN_THE_CLEAR, KafkaAccess


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers, what stands before the name of each topic and group of this installation, and how the brokers are reached."""

    bootstrap: str
    prefix: str = ""
    access: KafkaAccess = IN_THE_CLEAR

    @property
    def client(self) -> dict[str, Any]:
        """The options that aiokafka's clients are opened with."""
        return self.access.to(self.bootstrap)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name this cluster to a service."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.bootstrap, "SERVICECERT_TOPIC_PREFIX": self.prefix}

    def name(self, topic: Topic) -> str:
        """The topic's name in this cluster."""
        return self.prefix + topic.name

    def group(self, service: str) -> str:
        """The name of the service's consumer group in this cluster."""
        return self.prefix + service
