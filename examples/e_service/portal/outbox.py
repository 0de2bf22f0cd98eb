"""What customers sent, stored before Kafka has it.

An e-service that publishes while it answers a browser loses events, or sends two where one was meant: the broker may be
down, the process may end between the commit and the publishing, or an acknowledgement may be lost. So the record, with
its `ce_id` and `ce_time`, is stored in the transaction that stores what the customer did. A background task sends it,
again if need be, until the broker has acknowledged it. A repetition has the same `ce_id`, so it has one effect. Records
go one after another in the order of their numbers: events of a case never overtake each other, nor an invitation the
event of the invited. Rows stay until their case is erased: if Kafka is lost, they are what the e-service sends again.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import aiosqlite
import servicecert_schemas as schemas
from servicecert_schemas import Record, record_of

from .database import Database

Event = (
    schemas.AccountOpened
    | schemas.AccountMemberAdded
    | schemas.AccountMemberRemoved
    | schemas.ApplicationSubmitted
    | schemas.ApplicationSupplemented
    | schemas.ApplicationWithdrawn
    | schemas.CsrAttached
    | schemas.RevocationRequested
)
Publish = Callable[[Record], Awaitable[None]]

log = logging.getLogger(__name__)


async def put(tx: aiosqlite.Connection, data: Event) -> None:
    """Store the record of a user's event, to be sent once the transaction is committed. Raise `TooLarge`."""
    record = record_of(data)
    case_id = getattr(data, "case_id", None)
    await tx.execute(
        "INSERT INTO outbox (event_id, type, account_id, case_id, topic, key, headers, value)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(record.id),
            data.TYPE.split(".")[-2],
            data.actor.account_id,
            str(case_id) if case_id else None,
            record.topic,
            record.key.decode(),
            json.dumps([(name, value.decode()) for name, value in record.headers]),
            record.value,
        ),
    )


class Outbox:
    """Sends the stored records in their order."""

    def __init__(self, database: Database, sent: Callable[[str | None], None]) -> None:
        self._database, self._sent, self._wake = database, sent, asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """Open a transaction that puts events, and send them once it is committed."""
        async with self._database.transaction() as tx:
            yield tx
        self._wake.set()

    async def pending(self, case_id: UUID) -> list[str]:
        """Return the kinds of events of a case that Kafka does not have yet."""
        sql = "SELECT type FROM outbox WHERE case_id = ? AND NOT acknowledged ORDER BY number"
        return [row["type"] for row in await self._database.rows(sql, str(case_id))]

    async def send_again(self, since: datetime) -> int:
        """Mark all records of `accounts`, and others from a moment on, as not sent, since Kafka has lost them.

        Return how many there are.
        """
        async with self.transaction() as tx:
            marked = await tx.execute(
                "UPDATE outbox SET acknowledged = 0 WHERE topic = 'accounts' OR EXISTS"
                " (SELECT 1 FROM json_each(headers) WHERE value ->> 0 = 'ce_time' AND unixepoch(value ->> 1) >= ?)",
                (int(since.timestamp()),),
            )
        return marked.rowcount

    async def send_all(self, publish: Publish) -> None:
        """Publish each record that is not acknowledged. Raises what `publish` raises; the record stays then."""
        while row := await self._database.row("SELECT * FROM outbox WHERE NOT acknowledged ORDER BY number LIMIT 1"):
            headers = [(name, value.encode()) for name, value in json.loads(row["headers"])]
            await publish(Record(row["topic"], row["key"].encode(), headers, row["value"]))
            async with self._database.transaction() as tx:
                await tx.execute("UPDATE outbox SET acknowledged = 1 WHERE number = ?", (row["number"],))
            log.info("event sent type=%s event=%s", row["type"], row["event_id"])
            self._sent(row["case_id"])

    async def run(self, publish: Publish) -> None:
        """Send what is stored, and what is stored later, until `publish` raises."""
        while True:
            self._wake.clear()
            await self.send_all(publish)
            await self._wake.wait()
