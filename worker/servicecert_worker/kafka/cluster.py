"""A Kafka cluster and this installation's names in it."""

from dataclasses import dataclass
from typing import Any

from servicecert_schemas.topics import Topic

from ..core.access import PLAINTEXT_ACCESS, KafkaAccess


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers, the prefix of this installation's topics and groups, and how the brokers are reached."""

    bootstrap: str
    prefix: str = ""
    access: KafkaAccess = PLAINTEXT_ACCESS

    @property
    def client(self) -> dict[str, Any]:
        return self.access.to(self.bootstrap)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a service that uses this cluster."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SERVICECERT_TOPIC_PREFIX": self.prefix,
            **self.access.environment,
        }

    def name(self, topic: Topic) -> str:
        return self.prefix + topic.name

    def group(self, service: str) -> str:
        return self.prefix + service
