"""Kafka's clients, ended without harm to whoever ends them.

aiokafka cancels tasks of its own and awaits them, so that its methods may raise a CancelledError that nobody asked for. `asyncio.TaskGroup` takes
such an end for an orderly one: what followed a topic would stand still for ever, and nobody be told.
"""

import logging
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from ..faults import error_summary, with_timeout
from .internals import client_of

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0


async def stop(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stops a producer or a consumer, or leaves it after 5 s: while the broker is down it would wait for ever."""
    try:
        await with_timeout(STOP_SECONDS, client.stop())
    except Exception as error:
        log.info("A client of Kafka did not stop cleanly (%s)", error_summary(error))
        with suppress(Exception):
            # What it left undone: else its connections stay, and it asks for metadata for ever.
            await with_timeout(STOP_SECONDS, client_of(client).close())
