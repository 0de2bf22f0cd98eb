"""Exercises a broker while its start-up cache is made: produces and consumes one record.

Run as `python -m servicecert_launcher.exercise BOOTSTRAP`, a process with its own event loop and log.
"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

WAIT_SECONDS = 30.0


async def exercise(bootstrap: str) -> None:
    """Create a topic of 12 partitions, produce a record, consume it in a group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("exercise", 12, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait("exercise", b"value", key=b"key")
    consumer = AIOKafkaConsumer(
        "exercise", bootstrap_servers=bootstrap, group_id="exercise", auto_offset_reset="earliest"
    )
    async with consumer, asyncio.timeout(WAIT_SECONDS):
        await consumer.getone()
        await consumer.commit()


if __name__ == "__main__":
    asyncio.run(exercise(sys.argv[1]))
