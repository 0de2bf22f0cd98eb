"""The mail ledger for operators, and their requests to send mails again (C3). No row holds an address (E3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

import asyncpg
from servicecert_worker.storage import columns
from servicecert_worker.storage.operator_requests import permitted

from ..domain.ledger import is_over, outdating, resend_id
from ..domain.pace import domain_of
from ..storage import QUERIES
from ..storage.store import LedgerStore

_REQUESTS = UUID("0f8f6a52-7f0c-5f0e-8a53-6c8b0d1b9a3e")
_BATCH = 100
"""How many mails one transaction requests, so that it holds few locks."""


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
    connection: asyncpg.Connection,
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


async def request(
    connection: asyncpg.Connection,
    mails: Sequence[tuple[UUID, UUID, UUID]],
    reason: str,
    address: str | None = None,
) -> int:
    """Request mails again, each as (id of the request, case, mail). The new mail's id is `resend_id` of the request's.

    Return how many: a second request with one id is none. Raises `OperatorError`.
    """
    rows = ((*each, resend_id(each[0])) for each in mails)
    query = "select resend_mails($1, $2, $3, $4, $5, $6)"
    return await permitted(connection.fetchval(query, *columns(rows, 4), reason, address))


class Obstacle(StrEnum):
    """Why a refused mail is not sent again."""

    ERASED = "its content was erased"
    OUTDATED = "a later mail of its case makes it outdated"


@dataclass(frozen=True, slots=True)
class RefusedMail:
    """A refused mail that nobody had sent again. `domain` is its recipient's, unknown once its content was erased."""

    mail_id: UUID
    case_id: UUID
    kind: str
    domain: str | None
    obstacle: Obstacle | None


async def refused_mails(connection: asyncpg.Connection, since: datetime, relay: str | None) -> Sequence[RefusedMail]:
    """Return the mails refused since then, by any mail server or by `relay`, as host or host:port: the oldest first."""
    found = await connection.fetch(QUERIES["find_refused"], since, relay)
    cases = list({str(row["case_id"]) for row in found})
    stored = await LedgerStore().load(connection, cases)  # type: ignore[arg-type]  # a pool's, which is the same
    rows = {each.state.case_id: each.state for each in stored}
    mails = []
    for mail_id, case_id, kind, address in found:
        ledger = rows[case_id]
        row = ledger.row(mail_id)
        outdated = Obstacle.OUTDATED if is_over(ledger, row) or any(outdating(row, ledger.rows)) else None
        domain = None if address is None else domain_of(address)
        mails.append(RefusedMail(mail_id, case_id, kind, domain, Obstacle.ERASED if domain is None else outdated))
    return mails


async def resend(connection: asyncpg.Connection, mails: Sequence[RefusedMail], reason: str) -> int:
    """Request these mails again, in transactions of their own. Return how many: a second request for one is none."""
    # The same id each time, so that a mail is requested once, whoever else asks.
    requests = [(uuid5(_REQUESTS, str(mail.mail_id)), mail.case_id, mail.mail_id) for mail in mails]
    starts = range(0, len(requests), _BATCH)
    return sum([await request(connection, requests[start : start + _BATCH], reason) for start in starts])
