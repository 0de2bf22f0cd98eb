"""Refused mails that an operator has sent again, once the mail server takes them (C3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from ..domain.ledger import is_outdated, resend_id
from ..domain.pace import domain_of
from ..storage import QUERIES
from ..storage.store import LedgerStore
from .mail_requests import request

_REQUESTS = UUID("0f8f6a52-7f0c-5f0e-8a53-6c8b0d1b9a3e")
_BATCH = 100
"""How many mails one transaction requests, so that it holds few locks."""


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


async def refused_mails(
    connection: asyncpg.Connection[Any], since: datetime, relay: str | None
) -> Sequence[RefusedMail]:
    """Return the mails refused since then, by any mail server or by `relay`, as host or host:port: the oldest first."""
    found = await connection.fetch(QUERIES["find_refused"], since, relay)
    stored = await LedgerStore().load(connection, list({str(row["case_id"]) for row in found}))  # type: ignore[arg-type]
    rows = {each.state.case_id: each.state for each in stored}
    mails = []
    for mail_id, case_id, kind, address in found:
        ledger = rows[case_id]
        outdated = Obstacle.OUTDATED if is_outdated(ledger.row(mail_id), ledger.rows) else None
        domain = None if address is None else domain_of(address)
        mails.append(RefusedMail(mail_id, case_id, kind, domain, Obstacle.ERASED if domain is None else outdated))
    return mails


async def resend(connection: asyncpg.Connection[Any], mails: Sequence[RefusedMail], reason: str) -> int:
    """Request these mails again, in transactions of their own. Return how many: a second request for one is none."""
    return sum([await request(connection, list(map(_requested, batch)), reason, None) for batch in _batches(mails)])


def _requested(mail: RefusedMail) -> tuple[UUID, UUID, UUID, UUID]:
    # The same id each time, so that a mail is requested once, whoever else asks.
    identity = uuid5(_REQUESTS, str(mail.mail_id))
    return identity, mail.case_id, mail.mail_id, resend_id(identity)


def _batches(mails: Sequence[RefusedMail]) -> Iterator[Sequence[RefusedMail]]:
    for start in range(0, len(mails), _BATCH):
        yield mails[start : start + _BATCH]
