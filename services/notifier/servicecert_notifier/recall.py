"""What the notifier's own tables say before it decides on a reminder: which certificates may have taken its place, and when it may go (C4)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files

from servicecert_schemas.certificate import Recipient
from servicecert_worker.decider import Connection, Due, Happened, Stored

from .audience import addressed
from .ledger import Ledger
from .pace import Limits, domain_of, give
from .reminders import NOTHING_RECALLED, REMIND, Other, Recalled, kind_of, other_of, owed
from .standing import Standing
from .store import standing_of

_SQL = files(__package__) / "sql"
_OTHERS = (_SQL / "others.sql").read_text()
_LOCK_PACES = (_SQL / "lock_paces.sql").read_text()
_PACES = (_SQL / "paces.sql").read_text()
_KEEP_PACES = (_SQL / "keep_paces.sql").read_text()


class Recall:
    """Asked in each turn, within its transaction: what it gives out is given only if the turn is committed."""

    def __init__(self, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._limits = limits
        self._clock = clock

    async def __call__(
        self,
        connection: Connection,
        happened: Sequence[Happened],
        stored: Mapping[str, Stored[Ledger]],
        _known: Recalled,
    ) -> Recalled:
        due = [each.key for each in happened if isinstance(each, Due) and each.kind == REMIND and each.key in stored]
        if not due:
            return NOTHING_RECALLED
        ledgers = {key: stored[key].state for key in dict.fromkeys(due)}
        others = await _others(connection, [ledger for ledger in ledgers.values() if ledger.standing.certificate])
        wanted = list(_wanted(ledgers, others, self._clock()))
        return Recalled(others, await self._give(connection, wanted) if wanted else NOTHING_RECALLED.slots)

    async def _give(self, connection: Connection, wanted: list[tuple[str, list[str]]]) -> Mapping[str, datetime]:
        now = self._clock()
        await connection.execute(_LOCK_PACES)
        rows = await connection.fetch(_PACES, sorted({domain for _, domains in wanted for domain in domains}))
        given = give(wanted, {row["domain"]: row["filled_until"] for row in rows}, self._limits, now)
        await connection.execute(_KEEP_PACES, list(given.filled), list(given.filled.values()), now)
        return given.slots


async def _others(connection: Connection, ledgers: Sequence[Ledger]) -> Mapping[str, Sequence[Other]]:
    found: dict[str, list[Other]] = {}
    if ledgers:
        for row in await connection.fetch(_OTHERS, [ledger.case_id for ledger in ledgers]):
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
