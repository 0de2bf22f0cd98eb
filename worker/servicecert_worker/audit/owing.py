"""Puts events into a service's outbox again that its tables owe to its topics. The service's relay publishes them.

So the service's own books about its topics stay right, and the command needs no right to write to Kafka.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from servicecert_schemas.codec import stored, written
from servicecert_schemas.event import EventData
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, TOPIC_OF, Topic

from ..core.decider import Connection
from ..core.owed import Owed, content_id
from ..core.signatures import Signer
from ..storage import QUERIES
from .checkpoints import Checkpoint, checkpoint_event

_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Books:
    """Rows of a service's tables by key, and the events that they owe to topics.

    `keys` returns the next keys after one, in order, at most so many; it may leave out those that owe nothing since a
    moment. `events` returns what the rows of keys owe, each key's in order. The keys are locked.
    """

    topics: tuple[Topic, ...]
    keys: Callable[[Connection, str, datetime, int], Awaitable[list[str]]]
    events: Callable[[Connection, Sequence[str]], Awaitable[list[Owed]]]


async def waiting(connection: Connection) -> AsyncIterator[EventData]:
    """Yield the events in the outbox, in order."""
    last = 0
    while rows := await connection.fetch(QUERIES["outbox_after"], last, _AT_ONCE):
        last = rows[-1]["id"]
        for row in rows:
            yield stored(row["type"], row["payload"])


async def lock(connection: Connection, keys: Sequence[str]) -> None:
    """Lock keys as a turn does, until the transaction ends, so that no newer event of a key is overtaken."""
    await connection.execute(QUERIES["lock_keys"], list(keys))


async def put(connection: Connection, signer: Signer, owed: Sequence[Owed]) -> None:
    """Put events into the outbox, signed, in order."""
    rows = [
        (TOPIC_OF[each.data.TYPE].name, each.data.key(), content_id(each.data), *written(each.data), each.at)
        for each in owed
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    signatures = [signer.sign(*row) for row in rows]
    await connection.execute(QUERIES["publish"], *columns, signatures)


async def _numbers(connection: Connection, after: str, _since: datetime, limit: int) -> list[str]:
    rows = await connection.fetch(QUERIES["checkpoint_numbers"], int(after or 0), limit)
    return [str(row["number"]) for row in rows]


async def _checkpoints(connection: Connection, keys: Sequence[str]) -> list[Owed]:
    rows = await connection.fetch(QUERIES["checkpoints"], [int(key) for key in keys])
    return [Owed(checkpoint_event(**row), Checkpoint.read(row["body"]).at) for row in rows]


CHECKPOINTS = Books((AUDIT_CHECKPOINTS,), _numbers, _checkpoints)
"""What each service owes to the auditor."""
