"""Parked records whose value was not kept, since there were too many: it is read from their topics before a replay."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from servicecert_pki.private_keys import without_private_keys
from servicecert_worker.core.faults import OperatorError, with_timeout
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.runtime import parking
from servicecert_worker.runtime.parking import Place

from ..connections import kafka

_READ_SECONDS = 15.0


async def replay(
    connection: Any, event_ids: Sequence[UUID], cluster: Callable[[], Cluster], tell: Callable[[str], None]
) -> int:
    """Release the records, as an operator; before, as the service, store the values that were not kept.

    No login may do both: an operator must not be able to plant a record. Those that their topics no longer have fail
    again. Those that stand for many are left alone. Return how many were released. Raises OperatorError.
    """
    places = await parking.unkept(connection, event_ids)
    for many in [place for place in places if place.last_offset is not None]:
        places.remove(many)
        event_ids = [each for each in event_ids if each != many.event_id]
        tell(f"{many.event_id} stands for {many}: see docs/tasks/parked-records.md.")
    if not places:
        return await parking.replay(connection, event_ids)
    stored = 0
    async with kafka.reader(cluster()) as consumer:
        for place in places:
            if await _refill(connection, consumer, place):
                stored += 1
            else:
                tell(f"{place.event_id} is in its topic no longer, or too large: it can only be discarded.")
    if stored:
        tell(f"{stored} values are stored: run this again with an operator's DATABASE_URL.")
        return 0
    return await parking.replay(connection, event_ids)


async def _refill(connection: Any, consumer: AIOKafkaConsumer, place: Place) -> bool:
    """Store the value of a parked record again. Return whether its topic still has it. Raises OperatorError."""
    partition = TopicPartition(place.topic, place.partition)
    consumer.assign([partition])
    (first,) = (await consumer.beginning_offsets([partition])).values()
    (end,) = (await consumer.end_offsets([partition])).values()
    if not first <= place.offset < end:
        return False
    # Before it reads: an operator's user of the broker may not.
    await parking.require_refilling(connection)
    consumer.seek(partition, place.offset)
    try:
        found = await with_timeout(_READ_SECONDS, consumer.getone(partition))
    except TimeoutError:
        raise OperatorError(f"Kafka does not give {place} within {_READ_SECONDS:g} s: try again later.", 75) from None
    if found.offset != place.offset or found.fault is not None:
        return False
    # No service stores a private key that somebody sent.
    await parking.refill(connection, place.event_id, found, without_private_keys)
    return True
