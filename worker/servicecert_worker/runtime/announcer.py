"""The announcer publishes what an act is about to do, and waits until all copies in sync have it.

Then the act may be done: whatever becomes of the database, the topic says what it was (I4).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from asyncpg import Connection
from servicecert_schemas.codec import written
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import TOPIC_OF

from ..core.decider import Effect, Task
from ..core.faults import error_summary, is_transient, with_timeout
from ..core.published import announcement_id
from ..core.signatures import Signer
from ..kafka.clients import stop
from ..kafka.cluster import Cluster
from ..kafka.fence import note
from .publishing import Outgoing, Reached, producer_of, reached, send_all

log = logging.getLogger(__name__)

_START_SECONDS = 15.0
_NOTE_SECONDS = 1.0


@dataclass(eq=False)
class Announcer:
    """Announces each task once in a process. Its producer is opened when the first one comes."""

    cluster: Cluster
    service: str
    signer: Signer
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _producer: AIOKafkaProducer | None = field(default=None, init=False)
    _announced: set[UUID] = field(default_factory=set, init=False)
    _reached: Reached = field(default_factory=dict, init=False)

    async def announce(self, effect: Effect, tasks: Sequence[Task]) -> str | None:
        """Announce the tasks that are not, and return None; or why they are not announced.

        Raises what the effect's `announce` raises.
        """
        new = [task for task in tasks if task.id not in self._announced]
        if effect.announce is None or not new:
            return None
        announcements = await effect.announce(new)
        events = [self._event(task, data) for task, data in zip(new, announcements, strict=True) if data is not None]
        try:
            if events:
                await self._publish(events)
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("Acts are not announced", extra={"acts": len(new), "error": error_summary(error)})
            return "Kafka has not acknowledged its announcement"
        self._announced.update(task.id for task in new)
        return None

    def forget(self, task: Task) -> None:
        self._announced.discard(task.id)

    async def note(self, connection: Connection[Any], in_use: asyncio.Lock) -> None:
        """Note in the database how far the topics are written, until the connection is lost. `in_use` is held for that.

        An intent is committed before it is announced, so the database knows all that is before. Another one may not,
        if it took over: what was announced over an earlier connection is not noted, and announced again.
        """
        self._reached = {}
        self._announced.clear()
        while not connection.is_closed():
            await asyncio.sleep(_NOTE_SECONDS)
            if noted := dict(self._reached):
                try:
                    async with in_use:
                        await note(connection.execute, noted)
                except Exception as error:
                    if not is_transient(error):
                        raise
                    return
                self._reached = {place: end for place, end in self._reached.items() if noted.get(place) != end}

    async def close(self) -> None:
        """Close the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop(producer)

    def _event(self, task: Task, data: EventData) -> Outgoing:
        """Return the announcement of a task: the same, whoever announces it."""
        topic, (type, payload) = TOPIC_OF[data.TYPE].name, written(data)
        id = announcement_id(task.id, type)
        signature = self.signer.sign(topic, task.key, id, type, payload, task.since, task.traceparent)
        return Outgoing(topic, task.key, id, type, task.traceparent, task.since, payload, signature)

    async def _publish(self, events: Sequence[Outgoing]) -> None:
        try:
            producer = await self._opened()
            sent = await send_all(producer, self.cluster.prefix, f"/{self.service}", events)
        except BaseException:
            # Whether an idempotent producer can go on after an error depends on the error.
            await self.close()
            raise
        for place, end in reached(events, sent).items():
            self._reached[place] = max(end, self._reached.get(place, 0))

    async def _opened(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                producer = producer_of(self.cluster, self.service)
                try:
                    await with_timeout(_START_SECONDS, producer.start())
                except BaseException:
                    await stop(producer)
                    raise
                self._producer = producer
            return self._producer
