"""Whether somebody keeps a lock on a table, so that services wait: it is no outage, though it looks like one."""

from collections.abc import Sequence

from servicecert_worker.core.table_locks import TableLock

from .check import Finding, Subject, critical, examination, listed, ok


@examination(
    "table-locks",
    Subject.DATABASE,
    "Does nobody keep a lock on a table?",
    "Who uses the table waits for it, and so does all work of its service; often it is a transaction left open.",
)
def check_table_locks(locks: Sequence[TableLock]) -> Finding:
    if not locks:
        return ok("No table is locked.")
    ends = ", ".join(dict.fromkeys(f"pg_terminate_backend({lock.pid})" for lock in locks))
    remedy = f"Ask who it is, or end it as the database's administrator: {ends}."
    return critical(f"{listed([_described(lock) for lock in locks], '; ')}.", remedy)


def _described(lock: TableLock) -> str:
    since = "" if lock.since is None else f" since {lock.since:%Y-%m-%d %H:%M:%S} UTC"
    who = f"{lock.user} ({lock.application or 'no name'}, pid {lock.pid})"
    return f"{lock.service}.{lock.table} is locked by {who}{since}, {lock.waiting} wait"
