"""The durable way to the decider for what no topic tells: an operator's wish to send a mail again, and a report that brought one back."""

from __future__ import annotations

from typing import Any

import asyncpg
from servicecert_worker.decider import Connection
from servicecert_worker.runtime.turn import key_lock

from ..domain.ledger import Notice
from ..domain.settling import NOTICE
from ..storage import QUERIES


async def notify(connection: Connection | asyncpg.Connection[Any], notice: Notice) -> bool:
    """Keeps a notice and has a worker take it, in the transaction under way. Answers whether it is new: a mail bounces once."""
    await connection.execute("select pg_advisory_xact_lock($1)", key_lock("notifier", str(notice.case_id)))
    kept = await connection.fetchval(
        QUERIES["notify"],
        notice.id,
        notice.case_id,
        notice.mail_id,
        notice.wanted,
        notice.text,
        notice.at,
        notice.address,
        NOTICE,
    )
    return bool(kept)
