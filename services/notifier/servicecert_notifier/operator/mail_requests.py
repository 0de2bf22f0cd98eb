"""Passes notices to the decider that come from no topic: an operator's request to send a mail again, and bounces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from servicecert_worker.core.decider import Connection
from servicecert_worker.storage.operator_requests import permitted

from ..domain.settling import NOTICE
from ..domain.task import Notice
from ..storage import QUERIES


async def notify(connection: Connection | asyncpg.Connection[Any], notice: Notice) -> bool:
    """Store a notice and set its deadline, in the current transaction. Return whether it was new."""
    await connection.execute("select pg_advisory_xact_lock(lock_of('key/' || $1))", str(notice.case_id))
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


async def request(
    connection: asyncpg.Connection[Any],
    mails: Sequence[tuple[UUID, UUID, UUID, UUID]],
    reason: str,
    address: str | None,
) -> int:
    """Request mails again, each as (id of the request, case, mail, id of the new mail), for an operator.

    Return how many: a second request with one id is none. Raises `OperatorError`.
    """
    identities, cases, ids, again = (list(column) for column in zip(*mails, strict=True)) if mails else ([],) * 4
    query = "select resend_mails($1, $2, $3, $4, $5, $6)"
    return await permitted(connection.fetchval(query, identities, cases, ids, again, reason, address))
