"""The mail ledger in PostgreSQL. The rows of a case are loaded and saved together, with one version."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby
from operator import attrgetter, itemgetter

from asyncpg import Record
from pydantic import TypeAdapter
from servicecert_worker.core.decider import Conflict, Connection, Stored
from servicecert_worker.core.traces import is_case
from servicecert_worker.storage import columns

from ..domain.case_facts import NO_FACTS, CaseFacts
from ..domain.ledger import Ledger, Row
from . import QUERIES

_FACTS = TypeAdapter(CaseFacts)
_ROW = TypeAdapter(Row)
_COLUMNS = tuple(each.name for each in fields(Row) if each.name != "order")
"""The columns of a mail, in the order of the statement's arrays."""
_VALUES = attrgetter(*_COLUMNS)


class LedgerStore:
    """The notifier's states, by case."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[Ledger]]:
        """Return the ledgers of the keys that have one. A key is any text if its record is no event (I6)."""
        rows = await connection.fetch(QUERIES["load"], [key for key in keys if is_case(key)])
        return [
            Stored(str(case_id), version, Ledger(case_id, _rows(records), facts_of(facts)))
            for (case_id, version, facts), records in groupby(rows, key=itemgetter("case_id", "version", "standing"))
        ]

    async def save(self, connection: Connection, changed: Sequence[Stored[Ledger]]) -> None:
        """Store the ledgers, each as the version after the loaded one. Raise `Conflict` if a stored version differs."""
        rows = [(stored.state.case_id, row) for stored in changed for row in stored.state.rows]
        orders = [row.order for _, row in rows if row.order is not None]
        saved = await connection.fetchval(
            QUERIES["save"],
            *columns(((each.state.case_id, each.version, _facts_json(each.state.facts)) for each in changed), 3),
            *columns(((case_id, *_VALUES(row)) for case_id, row in rows), 1 + len(_COLUMNS)),
            *columns(((order.mail_id, order.model_dump_json().encode()) for order in orders), 2),
        )
        if saved != len(changed):
            raise Conflict(f"{len(changed) - saved} mail ledgers changed after they were loaded.")


def _facts_json(facts: CaseFacts) -> str | None:
    return None if facts == NO_FACTS else _FACTS.dump_json(facts).decode()


def facts_of(text: str | None) -> CaseFacts:
    return NO_FACTS if text is None else _FACTS.validate_json(text)


def _rows(records: Iterable[Record]) -> tuple[Row, ...]:
    return tuple(
        _ROW.validate_python({name: record[name] for name in _COLUMNS})
        for record in records
        if record["mail_id"] is not None
    )
