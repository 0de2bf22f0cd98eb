"""What a service knows from topics that are kept for ever: a snapshot, complete before the first turn and current from then on."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from ..decider import Change, TopicSnapshot
from ..faults import Outage, is_transient, with_timeout
from ..kafka.broker import Broker
from ..kafka.cluster import Cluster
from ..kafka.follower import Follower

K = TypeVar("K")

_SETTLE_SECONDS = 30.0


class Snapshot(Generic[K]):
    """The value of a `TopicSnapshot`. `ready` is set once all that stood in the topics at the start is in it."""

    def __init__(self, known: TopicSnapshot[K] | None, broker: Broker, cluster: Cluster) -> None:
        self.value: Any = None if known is None else known.empty
        self.ready = asyncio.Event()
        self._known = known
        self._settled: tuple[Any, float] = (None, 0.0)
        self._outage = Outage("What depends on the topics that are followed")
        if known is None:
            self.ready.set()
        else:
            topics = [cluster.name(topic) for topic in known.topics]
            self._follower = Follower(
                broker, topics, self._take, self._reached, told_as="Kafka, for the topics that are followed,"
            )

    async def run(self) -> None:
        """Follow the topics, for ever; return at once where there are none. Raises what `TopicSnapshot`'s functions raise."""
        return None if self._known is None else await self._follower.watch()

    def _take(self, changes: Sequence[Change]) -> None:
        assert self._known is not None
        self.value = self._known.apply(self.value, changes)

    async def _reached(self, _: datetime) -> None:
        """Tell the service of a snapshot that is new, or that it was told of a while ago. What fails for now is tried in the next round."""
        self.ready.set()
        now = asyncio.get_running_loop().time()
        snapshot, at = self._settled
        if self._known is None or self._known.settled is None:
            return
        if snapshot is self.value and now < at + _SETTLE_SECONDS:
            return
        try:
            await with_timeout(_SETTLE_SECONDS, self._known.settled(value := self.value))
        except Exception as error:
            if not is_transient(error):
                raise
            self._outage.began(error)
        else:
            self._outage.ended()
            self._settled = value, now
