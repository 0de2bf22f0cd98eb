"""The mail ledger in PostgreSQL. The rows of a case are loaded and saved together, with one version."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from asyncpg import Record
from pydantic import TypeAdapter
from servicecert_schemas.certificate import RecipientRole
from servicecert_schemas.mail import MailKind
from servicecert_worker.core.decider import Conflict, Connection, Stored

from ..domain.case_facts import NO_FACTS, CaseFacts
from ..domain.ledger import Ledger, Row
from ..domain.task import MailState
from . import QUERIES

_FACTS = TypeAdapter(CaseFacts)


class LedgerStore:
    """The notifier's states, by case."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[Ledger]]:
        """Return the ledgers of the keys that have one. A key is any text if its record is no event (I6)."""
        rows = await connection.fetch(QUERIES["load"], [key for key in keys if _is_case(key)])
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
            [stored.state.case_id for stored in changed],
            [stored.version for stored in changed],
            [_facts_json(stored.state.facts) for stored in changed],
            [case_id for case_id, _ in rows],
            [row.mail_id for _, row in rows],
            [row.kind for _, row in rows],
            [row.occasion for _, row in rows],
            [row.recipient for _, row in rows],
            [row.place for _, row in rows],
            [row.planned_at for _, row in rows],
            [row.copy for _, row in rows],
            [row.give_up_at for _, row in rows],
            [row.state for _, row in rows],
            [row.attempts for _, row in rows],
            [row.answer for _, row in rows],
            [row.first_tried_at for _, row in rows],
            [row.tried_at for _, row in rows],
            [row.next_try_at for _, row in rows],
            [row.settled_at for _, row in rows],
            [row.resends for _, row in rows],
            [row.reason for _, row in rows],
            [row.superseded_by for _, row in rows],
            [row.bounce for _, row in rows],
            [row.bounced_at for _, row in rows],
            [row.relay for _, row in rows],
            [row.refused_since for _, row in rows],
            [order.mail_id for order in orders],
            [order.model_dump_json().encode() for order in orders],
        )
        if saved != len(changed):
            raise Conflict(f"{len(changed) - saved} mail ledgers changed after they were loaded.")


def _is_case(key: str) -> bool:
    """Return whether a key is a case id in the form of events."""
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False


def _facts_json(facts: CaseFacts) -> str | None:
    return None if facts == NO_FACTS else _FACTS.dump_json(facts).decode()


def facts_of(text: str | None) -> CaseFacts:
    """Return the facts of a case in their stored JSON."""
    return NO_FACTS if text is None else _FACTS.validate_json(text)


def _rows(records: Iterable[Record]) -> tuple[Row, ...]:
    """Return the rows of a case, none if no mail was planned yet."""
    return tuple(_row(record) for record in records if record["mail_id"] is not None)


def _row(record: Record) -> Row:
    return Row(
        mail_id=record["mail_id"],
        kind=MailKind(record["kind"]),
        occasion=record["occasion"],
        recipient=RecipientRole(record["recipient"]),
        place=record["place"],
        planned_at=record["planned_at"],
        copy=record["copy"],
        give_up_at=record["give_up_at"],
        state=MailState(record["state"]),
        attempts=record["attempts"],
        answer=record["answer"],
        first_tried_at=record["first_tried_at"],
        tried_at=record["tried_at"],
        next_try_at=record["next_try_at"],
        settled_at=record["settled_at"],
        resends=record["resends"],
        reason=record["reason"],
        superseded_by=record["superseded_by"],
        bounce=record["bounce"],
        bounced_at=record["bounced_at"],
        relay=record["relay"],
        refused_since=record["refused_since"],
    )
