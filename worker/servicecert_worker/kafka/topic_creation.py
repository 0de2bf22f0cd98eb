"""Creates the catalogue's topics, and waits until each partition has a leader."""

import logging
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from servicecert_schemas.topics import Topic

from ..core.access import PLAINTEXT_ACCESS, KafkaAccess
from ..core.faults import OperatorError, backoff, error_summary, no_broker, with_timeout

log = logging.getLogger(__name__)

_START_SECONDS = 15.0
_PATIENCE_SECONDS = 120.0


async def create(
    bootstrap_servers: str,
    topics: Sequence[Topic],
    prefix: str = "",
    replication: int = 1,
    min_in_sync: int = 1,
    access: KafkaAccess = PLAINTEXT_ACCESS,
) -> list[str]:
    """Create the topics that do not exist, and return their names. Raises `OperatorError`.

    `replication` is the number of replicas, `min_in_sync` how many must have a record before it is acknowledged. A
    broker that has just started may need a minute for hundreds of partitions.
    """
    wanted = [
        NewTopic(prefix + topic.name, topic.partitions, replication, topic_configs=_config(topic, min_in_sync))
        for topic in topics
    ]
    admin = AIOKafkaAdminClient(**access.to(bootstrap_servers))
    try:
        await with_timeout(_START_SECONDS, admin.start())
        return await with_timeout(_PATIENCE_SECONDS, _create(admin, wanted))
    except (KafkaError, OSError, TimeoutError):
        raise no_broker(bootstrap_servers, access) from None
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, wanted: Sequence[NewTopic]) -> list[str]:
    """Create the topics; ask again for what a busy broker did not do in time."""
    created: list[str] = []
    async for _ in backoff(longest=2.0):
        try:
            answer = await admin.create_topics(list(wanted))
            created += [name for name, code, *_ in answer.topic_errors if _was_created(name, code)]
            await _wait_for_leaders(admin, [topic.name for topic in wanted])
            return created
        except (KafkaError, OSError) as error:
            if isinstance(error, KafkaError) and not error.retriable:
                raise
            log.debug("Topics are not created yet", extra={"error": error_summary(error)})
    raise AssertionError("The pauses never end.")


def _config(topic: Topic, min_in_sync: int) -> dict[str, str]:
    return {**topic.config, "min.insync.replicas": str(min_in_sync)}


def _was_created(name: str, code: int) -> bool:
    if code == 0:
        return True
    fault = for_code(code)
    if fault is TopicAlreadyExistsError:
        return False
    if fault.retriable:
        raise fault
    raise OperatorError(f"Kafka refuses to create the topic {name}: {fault.description or fault.__name__}", 77)


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    async for _ in backoff(first=0.02, longest=0.5):
        described = await admin.describe_topics(list(names))
        if all(
            topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"]) for topic in described
        ):
            return
