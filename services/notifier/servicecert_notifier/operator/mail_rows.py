"""The mail ledger for operators. No row holds an address (E3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from ..storage import QUERIES


@dataclass(frozen=True, slots=True)
class MailRow:
    """One mail of the ledger (see `ledger.Row`). `can_be_resent` is whether its task is still stored."""

    mail_id: UUID
    case_id: UUID
    kind: str
    recipient: str
    place: int
    copy: int
    state: str
    attempts: int
    answer: str | None
    relay: str | None
    planned_at: datetime
    first_tried_at: datetime | None
    tried_at: datetime | None
    next_try_at: datetime | None
    give_up_at: datetime | None
    settled_at: datetime | None
    resends: UUID | None
    reason: str | None
    superseded_by: UUID | None
    bounce: str | None
    bounced_at: datetime | None
    can_be_resent: bool


async def find(
    connection: asyncpg.Connection[Any],
    mail_id: UUID | None = None,
    case_id: UUID | None = None,
    state: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    limit: int = 1,
) -> Sequence[MailRow]:
    """Return the rows that match all arguments other than None, the newest first."""
    rows = await connection.fetch(QUERIES["find_mails"], mail_id, case_id, state, kind, since, limit)
    return [MailRow(**dict(row)) for row in rows]
