"""What the notifier's own tables say before it decides on what a deadline woke.

On a reminder: which certificates may have taken its place, and when it may go (C4). On a mail that is tried or sent again: what is to be sent (C3).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from servicecert_schemas.certificate import Recipient
from servicecert_worker.decider import Connection, Due, Happened, Stored

from ..domain.case_facts import Standing
from ..domain.ledger import Ledger, Notice, Wanted
from ..domain.pace import Limits, Paces, domain_of, give
from ..domain.planning import addressed
from ..domain.reminders import NOTHING_PREPARED, REMIND, Other, Prepared, kind_of, other_of, owed
from ..domain.settling import NOTICE, TRY
from ..domain.task import MailTask
from . import QUERIES
from .store import standing_of


class Prepare:
    """Asked in each turn, within its transaction: what it gives out is given only if the turn is committed."""

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
        again = [UUID(due.kind.removeprefix(TRY)) for due in dues if due.kind.startswith(TRY)]
        again += [notice.mail_id for found in notices.values() for notice in found if notice.wanted is Wanted.RESEND]
        prepared = Prepared(notices=notices, orders=await _orders(connection, again))
        due = [each.key for each in dues if each.kind == REMIND]
        if not due:
            return prepared
        ledgers = {key: stored[key].state for key in dict.fromkeys(due)}
        others = await _others(connection, [ledger for ledger in ledgers.values() if ledger.standing.certificate])
        wanted = list(_wanted(ledgers, others, self._clock()))
        slots = await self._give(connection, wanted) if wanted else prepared.slots
        return replace(prepared, others=others, slots=slots)

    async def _give(self, connection: Connection, wanted: list[tuple[str, list[str]]]) -> Mapping[str, datetime]:
        now = self._clock()
        await connection.execute(QUERIES["lock_paces"])
        rows = await connection.fetch(
            QUERIES["paces"], sorted({domain for _, domains in wanted for domain in domains}), now
        )
        paces = Paces(
            {row["domain"]: row["filled_until"] for row in rows if row["domain"] is not None},
            {row["minute"]: row["mails"] for row in rows if row["minute"] is not None},
        )
        given = give(wanted, paces, self._limits, now)
        filled, minutes = given.paces.filled, given.paces.minutes
        await connection.execute(
            QUERIES["keep_paces"], list(filled), list(filled.values()), list(minutes), list(minutes.values()), now
        )
        return given.slots


async def _notices(connection: Connection, cases: Sequence[UUID]) -> Mapping[str, tuple[Notice, ...]]:
    """The notices of the cases, each case's in the order in which they came."""
    found: dict[str, tuple[Notice, ...]] = {}
    for row in await connection.fetch(QUERIES["notices"], cases) if cases else ():
        notice = Notice(
            row["id"],
            row["case_id"],
            row["mail_id"],
            Wanted(row["wanted"]),
            row["text"],
            row["at"],
            row["address"],
        )
        found[str(notice.case_id)] = (*found.get(str(notice.case_id), ()), notice)
    return found


async def _orders(connection: Connection, mails: Sequence[UUID]) -> Mapping[UUID, MailTask]:
    """What is to be sent, of these mails."""
    rows = await connection.fetch(QUERIES["orders"], mails) if mails else ()
    return {row["mail_id"]: MailTask.model_validate_json(row["data"]) for row in rows}


async def _others(connection: Connection, ledgers: Sequence[Ledger]) -> Mapping[str, Sequence[Other]]:
    found: dict[str, list[Other]] = {}
    if ledgers:
        for row in await connection.fetch(QUERIES["others"], [ledger.case_id for ledger in ledgers]):
            other = other_of(standing_of(row["standing"]))
            if other is not None:
                found.setdefault(str(row["case_id"]), []).append(other)
    return found


def _wanted(
    ledgers: Mapping[str, Ledger], others: Mapping[str, Sequence[Other]], now: datetime
) -> Iterable[tuple[str, list[str]]]:
    """The cases that owe a reminder and were given no moment yet, each with the domains that its mails go to."""
    for key, ledger in ledgers.items():
        reminder = owed(ledger, others.get(key, ()), now)
        if reminder is not None and ledger.standing.slot is None:
            recipients = addressed(_recipients(ledger.standing), kind_of(reminder))
            yield key, [domain_of(recipient.email) for recipient, _ in recipients]


def _recipients(standing: Standing) -> tuple[Recipient, ...]:
    return standing.correspondence.recipients if standing.correspondence else ()
