"""Passes notices to the decider that come from no topic: an operator's request to send a mail again, and bounces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg
from servicecert_worker.decider import Connection
from servicecert_worker.runtime.turn import key_lock

from ..domain.ledger import Notice
from ..domain.settling import NOTICE
from ..storage import QUERIES


async def lock_cases(connection: Connection | asyncpg.Connection[Any], cases: Iterable[UUID]) -> None:
    """Lock cases for the current transaction, in the order in which turns lock them."""
    for number in sorted({key_lock("notifier", str(case_id)) for case_id in cases}):
        await connection.execute("select pg_advisory_xact_lock($1)", number)


async def notify(connection: Connection | asyncpg.Connection[Any], notice: Notice) -> bool:
    """Store a notice and set its deadline, in the current transaction. Return whether it was new."""
    await lock_cases(connection, [notice.case_id])
    stored = await connection.fetchval(
        QUERIES["notify"],
        notice.id,
        notice.case_id,
        notice.mail_id,
        notice.kind,
        notice.text,
        notice.at,
        notice.address,
        NOTICE,
    )
    return bool(stored)
