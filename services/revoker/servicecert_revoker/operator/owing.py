"""What the revoker's tables owe to its topics.

The authority's requests are events that the revoker writes and reads itself. Those that it has not read are lost with
the topic, and are made again for certificates that should be revoked by now (D2, D6).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record
from servicecert_schemas.revocation import KeyCompromised, RevocationReason, RevocationRequested
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, CERTIFICATE_STATUS, REVOCATIONS
from servicecert_worker.audit.owing import Books
from servicecert_worker.core.decider import Connection
from servicecert_worker.core.owed import Owed

from ..domain.authority_requests import Item, Proposal, authority_request, cascade_request, request_id
from ..domain.owed import owed
from ..domain.responders import EnrolledKey
from ..storage import QUERIES
from ..storage.store import RevocationStore


async def _cases(connection: Connection, after: str, _since: datetime, limit: int) -> list[str]:
    return [row["key"] for row in await connection.fetch(QUERIES["statuses_after"], after, limit)]


async def _of_cases(connection: Connection, keys: Sequence[str]) -> list[Owed]:
    events: list[Owed] = []
    for stored in await RevocationStore().load(connection, keys):
        if not isinstance(stored.state, Proposal | EnrolledKey):
            events += owed(UUID(stored.key), stored.state)
    requests = await connection.fetch(QUERIES["unread_requests"], list(keys))
    return events + [Owed(_request(row), row["at"]) for row in requests]


def _request(row: Record) -> RevocationRequested:
    """Return the request that follows from a compromised key, or from a proposal that two operators confirmed."""
    item = Item(UUID(row["key"]), row["account_id"], row["serial"])
    if row["proposal"] is None:
        return cascade_request(row["key_sha256"], item, row["at"])
    id, reason = request_id(row["proposal"], item.case_id), RevocationReason(row["reason"])
    return authority_request(id, item, reason, row["operators"], row["at"])


async def _keys(connection: Connection, after: str, since: datetime, limit: int) -> list[str]:
    rows = await connection.fetch(QUERIES["compromised_after"], after, since, limit)
    return [row["key_sha256"] for row in rows]


async def _of_keys(connection: Connection, keys: Sequence[str]) -> list[Owed]:
    rows = await connection.fetch(QUERIES["compromised_since"], list(keys))
    return [Owed(KeyCompromised(key_sha256=row["key_sha256"], known_at=row["since"]), row["since"]) for row in rows]


BOOKS = (
    Books((CERTIFICATE_STANDINGS, CERTIFICATE_STATUS, REVOCATIONS), _cases, _of_cases),
    Books((CERTIFICATE_STATUS,), _keys, _of_keys),
)
