"""What is true of a service and not of one of its processes: numbers of its tables, for the monitoring login.

The login may call the functions of the files `figures.sql` and nothing else, so it sees no key and no content.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import TypeAlias

import asyncpg
from servicecert_schemas.topics import SERVICES

from ..core.table_locks import TableLock
from . import QUERIES

FILE = "figures.sql"

Samples: TypeAlias = Mapping[str, Mapping[tuple[str, ...], float]]
"""Values by metric and by the values of its labels."""

_READ = ("select name, labels, value from {0}.worker_figures($1)", "select name, labels, value from {0}.figures($1)")


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of a service's tables. One of every service has the label `service` first."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


OF_EVERY_SERVICE = tuple(
    Figure(name, text, ("service", *labels))
    for name, text, labels in (
        ("servicecert_outbox_events", "Events that are decided and not published.", ()),
        ("servicecert_outbox_oldest_seconds", "Age of the oldest change that is not in the journal and topics.", ()),
        ("servicecert_inbox_events", "Ids of handled events that are kept; an estimate.", ()),
        ("servicecert_intents", "Acts on the world that are decided and not done, by kind.", ("kind",)),
        ("servicecert_intents_oldest_seconds", "Age of the oldest act that is not done.", ()),
        ("servicecert_deadlines_overdue", "Deadlines that have passed and are not handled.", ()),
        ("servicecert_deadlines_overdue_seconds", "Time since the first of them passed.", ()),
        ("servicecert_parked", "Parked records that are at fault themselves, by reason.", ("reason",)),
        ("servicecert_parked_oldest_seconds", "Age of the oldest of them.", ()),
        ("servicecert_parked_behind", "Records parked because an earlier one of their key is.", ()),
        ("servicecert_parked_unkept", "Parked records whose value is in Kafka only.", ()),
        ("servicecert_audit_unattested_seconds", "Age of the oldest audit row that no signed checkpoint covers.", ()),
    )
)
"""The metrics of `worker_figures`."""


async def read(
    connection: "asyncpg.Connection | asyncpg.Pool", service: str, moment: datetime
) -> tuple[Samples, float | None]:
    """Return a service's figures at a moment, and how many seconds that took.

    Without those that a lock on a table withholds: there are no seconds then. Raises asyncpg's errors, OSError and
    TimeoutError.
    """
    common = {figure.name for figure in OF_EVERY_SERVICE}
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    began, is_whole = perf_counter(), True
    for query in _READ:
        try:
            rows = await connection.fetch(query.format(service), moment)
        except asyncpg.LockNotAvailableError:
            is_whole = False
            continue
        for name, labels, value in rows:
            samples.setdefault(name, {})[(service, *labels) if name in common else tuple(labels)] = value
    return samples, perf_counter() - began if is_whole else None


async def held_locks(connection: "asyncpg.Connection | asyncpg.Pool") -> Sequence[TableLock]:
    """Return the locks on the services' tables for which others wait, at most 20. Raises asyncpg's errors, OSError."""
    return [TableLock(**row) for row in await connection.fetch(QUERIES["held_locks"], list(SERVICES))]
