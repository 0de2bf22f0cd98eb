"""What the notifier's tables owe to its topics."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from servicecert_schemas.topics import NOTIFICATIONS
from servicecert_worker.audit.owing import Books
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.owed import Owed

from ..domain.owed import owed
from ..storage import QUERIES
from ..storage.store import LedgerStore


async def _keys(connection: Connection, after: str, since: datetime, limit: int) -> list[str]:
    last = UUID(after) if after else UUID(int=0)
    return [str(row["case_id"]) for row in await connection.fetch(QUERIES["settled_after"], last, since, limit)]


async def _events(connection: Connection, keys: Sequence[str]) -> list[Owed]:
    return [each for stored in await LedgerStore().load(connection, keys) for each in owed(stored.state)]


BOOKS = (Books((NOTIFICATIONS,), _keys, _events),)
