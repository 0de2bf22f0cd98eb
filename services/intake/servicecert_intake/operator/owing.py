"""What intake's tables owe to its topics."""

from collections.abc import Sequence
from datetime import datetime

from servicecert_schemas.topics import ACCEPTED_APPLICATIONS, CASES, DEADLINES
from servicecert_worker.audit.owing import Books
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.owed import Owed

from ..domain.owed import owed
from ..storage import QUERIES
from ..storage.store import CaseStore


async def _keys(connection: Connection, after: str, _since: datetime, limit: int) -> list[str]:
    return [row["case_id"] for row in await connection.fetch(QUERIES["cases_after"], after, limit)]


async def _events(connection: Connection, keys: Sequence[str]) -> list[Owed]:
    return [each for stored in await CaseStore().load(connection, keys) for each in owed(stored.state)]


BOOKS = (Books((CASES, ACCEPTED_APPLICATIONS, DEADLINES), _keys, _events),)
