"""Reads the tables for the decisions on deadlines.

For a reminder: certificates that may replace this one, and a slot (C4). For a mail to retry or resend: its task (C3).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from servicecert_worker.core.decider import Connection, Due, Happened, Stored

from ..domain.ledger import RETRY, Ledger, addressed
from ..domain.pace import Limits, Paces, allocate, domain_of
from ..domain.reminders import (
    NOTHING_PREPARED,
    REMIND,
    OtherCertificate,
    Prepared,
    due_reminder,
    other_certificate,
)
from ..domain.settling import NOTICE
from ..domain.task import MailTask, Notice, NoticeKind
from . import QUERIES
from .store import facts_of


class Prepare:
    """Called in each turn, in its transaction: slots count only if the turn is committed."""

    def __init__(self, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._limits = limits
        self._clock = clock

    async def __call__(
        self,
        connection: Connection,
        happened: Sequence[Happened],
        stored: Mapping[str, Stored[Ledger]],
        _known: Prepared,
    ) -> Prepared:
        dues = [each for each in happened if isinstance(each, Due) and each.key in stored]
        if not dues:
            return NOTHING_PREPARED
        notices = await _notices(connection, [UUID(due.key) for due in dues if due.kind == NOTICE])
        again = [UUID(due.kind.removeprefix(RETRY)) for due in dues if due.kind.startswith(RETRY)]
        again += [
            notice.mail_id for of_case in notices.values() for notice in of_case if notice.kind is NoticeKind.RESEND
        ]
        prepared = Prepared(notices=notices, orders=await _orders(connection, again))
        due = [each.key for each in dues if each.kind == REMIND]
        if not due:
            return prepared
        ledgers = {key: stored[key].state for key in dict.fromkeys(due)}
        others = await _others(connection, [ledger for ledger in ledgers.values() if ledger.facts.certificate])
        requests = list(_slot_requests(ledgers, others, self._clock()))
        slots = await self._allocate(connection, requests) if requests else prepared.slots
        return replace(prepared, others=others, slots=slots)

    async def _allocate(self, connection: Connection, requests: list[tuple[str, list[str]]]) -> Mapping[str, datetime]:
        now = self._clock()
        await connection.execute(QUERIES["lock_paces"])
        rows = await connection.fetch(
            QUERIES["paces"], sorted({domain for _, domains in requests for domain in domains}), now
        )
        paces = Paces(
            {row["domain"]: row["filled_until"] for row in rows if row["domain"] is not None},
            {row["minute"]: row["mails"] for row in rows if row["minute"] is not None},
        )
        allocation = allocate(requests, paces, self._limits, now)
        filled, minutes = allocation.paces.filled, allocation.paces.minutes
        await connection.execute(
            QUERIES["keep_paces"], list(filled), list(filled.values()), list(minutes), list(minutes.values()), now
        )
        return allocation.slots


async def _notices(connection: Connection, cases: Sequence[UUID]) -> Mapping[str, tuple[Notice, ...]]:
    """Return the notices of the cases, each case's in order of time."""
    notices: dict[str, tuple[Notice, ...]] = {}
    for row in await connection.fetch(QUERIES["notices"], cases) if cases else ():
        notice = Notice(
            row["id"],
            row["case_id"],
            row["mail_id"],
            NoticeKind(row["wanted"]),
            row["text"],
            row["at"],
            row["address"],
        )
        notices[str(notice.case_id)] = (*notices.get(str(notice.case_id), ()), notice)
    return notices


async def _orders(connection: Connection, mails: Sequence[UUID]) -> Mapping[UUID, MailTask]:
    """Return the tasks of these mails."""
    rows = await connection.fetch(QUERIES["orders"], mails) if mails else ()
    return {row["mail_id"]: MailTask.model_validate_json(row["data"]) for row in rows}


async def _others(connection: Connection, ledgers: Sequence[Ledger]) -> Mapping[str, Sequence[OtherCertificate]]:
    others: dict[str, list[OtherCertificate]] = {}
    if ledgers:
        for row in await connection.fetch(QUERIES["others"], [ledger.case_id for ledger in ledgers]):
            other = other_certificate(facts_of(row["standing"]))
            if other is not None:
                others.setdefault(str(row["case_id"]), []).append(other)
    return others


def _slot_requests(
    ledgers: Mapping[str, Ledger], others: Mapping[str, Sequence[OtherCertificate]], now: datetime
) -> Iterable[tuple[str, list[str]]]:
    """Yield the cases with a due reminder and no slot yet, each with the domain of each mail."""
    for key, ledger in ledgers.items():
        reminder = due_reminder(ledger, others.get(key, ()), now)
        if reminder is not None and ledger.facts.slot is None:
            recipients = addressed(ledger.facts.recipients, reminder.content.kind)
            yield key, [domain_of(recipient.email) for recipient, _ in recipients]
