"""Stopping Kafka clients without harm to the caller.

aiokafka cancels its own tasks and awaits them, so its methods may raise a CancelledError that nobody requested. An
`asyncio.TaskGroup` takes that for a normal end: a follower would stop for ever, unnoticed.
"""

import logging
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from ..faults import error_summary, with_timeout
from .internals import client_of

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0


async def stop(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stop a producer or a consumer, for at most 5 s: while the broker is down it would wait for ever."""
    try:
        await with_timeout(STOP_SECONDS, client.stop())
    except Exception as error:
        log.info("A Kafka client did not stop cleanly; closing its connections", extra={"error": error_summary(error)})
        with suppress(Exception):
            # Otherwise its connections stay open, and it asks for metadata for ever.
            await with_timeout(STOP_SECONDS, client_of(client).close())
