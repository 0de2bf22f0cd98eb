"""Reads the tables for the decisions on deadlines.

For a reminder: certificates that may replace this one, and a slot (C4). For a mail to retry or resend: its task (C3).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from servicecert_worker.core.decider import Connection, Due, Happened, Stored
from servicecert_worker.storage import columns

from ..domain.case_facts import CaseFacts
from ..domain.ledger import RETRY, Ledger, addressed
from ..domain.pace import Limits, Paces, allocate, domain_of
from ..domain.reminders import NOTHING_PREPARED, REMIND, Prepared, due_reminder
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
        ledgers = {due.key: stored[due.key].state for due in dues if due.kind == REMIND}
        others = await _others(connection, [each.case_id for each in ledgers.values() if each.facts.certificate])
        requests = list(_slot_requests(ledgers, others, self._clock()))
        slots = await self._allocate(connection, requests) if requests else {}
        return Prepared(others, slots, notices, await _orders(connection, again))

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
        slots, used = allocate(requests, paces, self._limits, now)
        filled, minutes = used.filled.items(), used.minutes.items()
        await connection.execute(QUERIES["keep_paces"], *columns(filled, 2), *columns(minutes, 2), now)
        return slots


async def _notices(connection: Connection, cases: Sequence[UUID]) -> Mapping[str, tuple[Notice, ...]]:
    notices: dict[str, tuple[Notice, ...]] = {}
    for id, case_id, mail_id, kind, *rest in await connection.fetch(QUERIES["notices"], cases) if cases else ():
        notice = Notice(id, case_id, mail_id, NoticeKind(kind), *rest)
        notices[str(case_id)] = (*notices.get(str(case_id), ()), notice)
    return notices


async def _orders(connection: Connection, mails: Sequence[UUID]) -> Mapping[UUID, MailTask]:
    rows = await connection.fetch(QUERIES["orders"], mails) if mails else ()
    return {row["mail_id"]: MailTask.model_validate_json(row["data"]) for row in rows}


async def _others(connection: Connection, cases: Sequence[UUID]) -> Mapping[str, Sequence[CaseFacts]]:
    others: dict[str, list[CaseFacts]] = {}
    for case_id, standing in await connection.fetch(QUERIES["others"], cases) if cases else ():
        others.setdefault(str(case_id), []).append(facts_of(standing))
    return others


def _slot_requests(
    ledgers: Mapping[str, Ledger], others: Mapping[str, Sequence[CaseFacts]], now: datetime
) -> Iterable[tuple[str, list[str]]]:
    for key, ledger in ledgers.items():
        reminder = due_reminder(ledger, others.get(key, ()), now)
        if reminder is not None and ledger.facts.slot is None:
            recipients = addressed(ledger.facts.recipients, reminder.content.kind)
            yield key, [domain_of(recipient.email) for recipient, _ in recipients]
