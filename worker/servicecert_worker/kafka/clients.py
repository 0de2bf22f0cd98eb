"""Stopping Kafka clients without harm to the caller.

aiokafka cancels its own tasks and awaits them, so its methods may raise a CancelledError that nobody requested. An
`asyncio.TaskGroup` takes that for a normal end: a follower would stop for ever, unnoticed.

And it reads no more from a connection that it closes. A TLS connection with an answer under way then waits 30 s for
the broker's goodbye, which comes after that answer.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from ..core.faults import error_summary, with_timeout
from .internals import client_of, transports_of

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
_GOODBYE_SECONDS = 0.2


async def stop(client: AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient) -> None:
    """Stop a client, for at most 5 s: while the broker is down it would wait for ever."""
    stopping = client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop()
    try:
        async with _without_goodbye(transports_of(client_of(client))):
            await with_timeout(STOP_SECONDS, stopping)
    except Exception as error:
        log.info("A Kafka client did not stop cleanly; closing its connections", extra={"error": error_summary(error)})
        with suppress(Exception):
            # Otherwise its connections stay open, and it asks for metadata for ever.
            await with_timeout(STOP_SECONDS, client_of(client).close())


@asynccontextmanager
async def _without_goodbye(transports: Sequence[asyncio.Transport]) -> AsyncIterator[None]:
    """End those of the connections that are closed meanwhile and not gone soon after."""

    async def end() -> None:
        while True:
            await asyncio.sleep(_GOODBYE_SECONDS)
            for transport in transports:
                if transport.is_closing():
                    transport.abort()

    ending = asyncio.create_task(end())
    try:
        yield
    finally:
        ending.cancel()
