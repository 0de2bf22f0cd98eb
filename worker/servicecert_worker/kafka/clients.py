"""Kafka's clients, ended without harm to whoever ends them.

aiokafka cancels tasks of its own and awaits them, so that its methods may raise a CancelledError that nobody asked for. `asyncio.TaskGroup` takes
such an end for an orderly one: what followed a topic would stand still for ever, and nobody be told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient

from ..faults import Abandoned, named, within

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0


async def fetched(
    consumer: AIOKafkaConsumer, timeout_ms: int, max_records: int
) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
    """What came next, nothing where nothing comes in time. Raises KafkaError, and Abandoned where the task that fetches for the consumer has ended.

    `getmany` does not look at that task: it would find nothing, for ever, and the lag that the consumer knows of would stay as it is.
    """
    batches: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await consumer.getmany(
        timeout_ms=timeout_ms, max_records=max_records
    )
    if not batches and consumer._fetcher.error_future.done():
        raise Abandoned
    return batches


async def stop(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stops a producer or a consumer, or leaves it after 5 s: while the broker is down it would wait for ever."""
    try:
        await within(STOP_SECONDS, client.stop())
    except Exception as error:
        log.info("A client of Kafka did not stop cleanly (%s)", named(error))
        with suppress(Exception):
            # What it left undone: else its connections stay, and it asks for metadata for ever.
            await within(STOP_SECONDS, _connections(client).close())


def _connections(client: AIOKafkaProducer | AIOKafkaConsumer) -> AIOKafkaClient:
    return client.client if isinstance(client, AIOKafkaProducer) else client._client
