"""Loading the registers: what a file changes of what stands in the topic `registers`, published there."""

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import islice
from uuid import UUID, uuid5

from servicecert_schemas.codec import to_record
from servicecert_schemas.register import RegisterEntry
from servicecert_schemas.topics import REGISTERS
from servicecert_worker.decider import Change
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..faults import UserError
from .changes import Changes, changes

SOURCE = "/registers-loader"
_EVENT_IDS = UUID("6f0f3c1c-8a4d-5b59-9d0a-6d3b0c7f5e21")
_AT_ONCE = 5_000


async def load(place: Cluster, entries: Sequence[RegisterEntry], day: date, end_at_most: float | None) -> Changes:
    """What the entries change from `day` on, after it is published; with None nothing is. Raises UserError where they end more per cent, OperatorError."""
    found = changes(await standing(place), entries, day)
    if end_at_most is None:
        return found
    if found.ended_percent > end_at_most:
        raise UserError(
            f"the file would end {len(found.ended)} of the {found.in_force} entries in force ({found.ended_percent:.1f} %), "
            f"more than {end_at_most:g} %: look at it with --dry-run, and if it is right load it with --end-at-most 100.",
            os.EX_DATAERR,
        )
    await publish_entries(place, found.entries)
    return found


async def standing(place: Cluster) -> dict[str, RegisterEntry]:
    """Every entry by its id, as the last record of each says. Raises OperatorError."""
    found: dict[str, RegisterEntry] = {}

    def take(change: Change) -> None:
        if change.data is None:
            found.pop(change.key, None)
        elif isinstance(change.data, RegisterEntry):
            found[change.key] = change.data

    await kafka.read(place, REGISTERS, take)
    return found


async def publish_entries(place: Cluster, entries: Iterable[RegisterEntry]) -> None:
    """Publishes entries, in order and some at a time. One that was published before has the same event id. Raises OperatorError."""
    now = datetime.now(UTC)
    records = (to_record(each, source=SOURCE, id=event_id(each), time=now) for each in entries)
    async with kafka.producer(place) as producer:
        while some := list(islice(records, _AT_ONCE)):
            await kafka.send(producer, place, some)


def event_id(entry: RegisterEntry) -> UUID:
    """The id of the event that says how an entry stands: the same for the same content, so that a repeated load repeats its events."""
    return uuid5(_EVENT_IDS, entry.model_dump_json())


@contextmanager
def collector_paused() -> Iterator[None]:
    """Looks for no garbage meanwhile. Among the 80,000 entries of a register the search would take as long as reading them."""
    worked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if worked:
            gc.enable()
