"""A service's snapshot of topics: complete before the first turn, and kept up to date."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from servicecert_schemas.event import Change

from ..core.decider import TopicSnapshot
from ..core.faults import Outage, is_transient, with_timeout
from ..core.signatures import Verifier
from ..kafka.broker import Broker
from ..kafka.follower import Follower

K = TypeVar("K")

_REPORT_SECONDS = 30.0


class SnapshotFollower(Generic[K]):
    """Keeps the value of a `TopicSnapshot` up to date. `ready` is set once it has reached the end of the topics."""

    def __init__(self, definition: TopicSnapshot[K] | None, broker: Broker, verifier: Verifier) -> None:
        self.value: Any = None if definition is None else definition.empty
        self.ready = asyncio.Event()
        self._definition = definition
        self._reported: tuple[Any, float] = (None, 0.0)
        self._outage = Outage("The service's handler of topic snapshots")
        self.follower: Follower | None = None
        if definition is None:
            self.ready.set()
        else:
            self.follower = Follower(
                broker, definition.topics, self._take, self._at_end, verifier, outage_name="Kafka (followed topics)"
            )

    async def run(self) -> None:
        """Follow the topics for ever; return at once if there are none. Raises what the service's functions raise."""
        return None if self.follower is None else await self.follower.watch()

    def _take(self, changes: Sequence[Change]) -> None:
        assert self._definition is not None
        assert self.follower is not None
        for change, code in self._definition.refused(self.value, changes):
            self.follower.refuse(change, code)
        self.value = self._definition.apply(self.value, changes)

    async def _at_end(self, _: datetime) -> None:
        """Pass a new snapshot to the service, or the same one after 30 s. Transient errors are retried next time."""
        self.ready.set()
        now = asyncio.get_running_loop().time()
        snapshot, at = self._reported
        if self._definition is None or self._definition.on_caught_up is None:
            return
        if snapshot is self.value and now < at + _REPORT_SECONDS:
            return
        try:
            await with_timeout(_REPORT_SECONDS, self._definition.on_caught_up(value := self.value))
        except Exception as error:
            if not is_transient(error):
                raise
            self._outage.began(error)
        else:
            self._outage.ended()
            self._reported = value, now
