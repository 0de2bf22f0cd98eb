"""Mails that a replay leaves open although a later one has made them outdated (C3)."""

from dataclasses import replace
from uuid import UUID

from servicecert_worker.core.decider import Connection, Stored, Task
from servicecert_worker.core.published import PublishedEvents

from ..domain.ledger import INTENT, Ledger, superseded
from ..domain.recall import RECALL, outdated
from ..domain.task import MailState, MailTask
from . import QUERIES
from .store import LedgerStore


async def supersede_outdated(connection: Connection, published: PublishedEvents) -> None:
    """Supersede them, and drop the intents of all that are superseded. No worker may run.

    What is published of a mail tells that it was tried in time: that one is left to the replay.
    """
    rows = await connection.fetch(QUERIES["open_mails"], INTENT)
    tasks = [
        Task(row["id"], row["key"], INTENT, MailTask.model_validate_json(row["data"]), row["since"]) for row in rows
    ]
    untold = {task.data.mail_id: task for task in tasks if RECALL.result(task, published) is None}
    deferred: list[Stored[Ledger]] = []
    after: list[Stored[Ledger]] = []
    over: set[UUID] = set()
    for stored in await LedgerStore().load(connection, sorted({task.key for task in untold.values()})):
        waiting = ledger = stored.state
        for id, new in outdated(ledger, untold.keys()).items():
            row = replace(ledger.row(id), state=MailState.DEFERRED, next_try_at=new.planned_at)
            waiting = waiting.with_row(row)
            ledger = ledger.with_row(superseded(row, new.mail_id, new.planned_at))
        over |= {row.mail_id for row in ledger.rows if row.state is MailState.SUPERSEDED}
        if ledger != stored.state:
            deferred.append(replace(stored, state=waiting))
            after.append(replace(stored, version=stored.version + 1, state=ledger))
    # The tables know that only a deferred mail is ever superseded.
    for step in (deferred, after):
        await LedgerStore().save(connection, step)
    await connection.execute(QUERIES["drop_mails"], [task.id for id, task in untold.items() if id in over])
