"""The cases as the authority publishes them: the newest view of each, and the answers that no case can show."""

from dataclasses import dataclass
from uuid import UUID

from servicecert_schemas import Application, CaseChanged, CaseState, EventRefused

from .database import Database

OVER = frozenset({CaseState.LAPSED, CaseState.WITHDRAWN, CaseState.REFUSED})


@dataclass(frozen=True)
class Case:
    """A case as its page needs it: what the customer sent (None: by another way), and the newest view (None: none)."""

    case_id: UUID
    account_id: str
    application: Application | None
    view: CaseChanged | None

    @property
    def group(self) -> str:
        """The part of the list that it belongs to: granted, unfinished or over."""
        if self.view is None:
            return "unfinished"
        if self.view.state in OVER:
            return "over"
        return "granted" if self.view.decision else "unfinished"

    @property
    def names(self) -> tuple[str, ...]:
        """What the certificate is for."""
        if self.view:
            return self.view.applied_for.names
        assert self.application is not None
        system = self.application.information_system
        return self.application.names.dns or (system.name if system else self.application.unit_long_name,)


async def store(database: Database, case: CaseChanged) -> bool:
    """Keep a view if it is newer than the one that is there: a record may come twice. Return whether it was kept."""
    async with database.transaction() as tx:
        changed = await tx.execute(
            "INSERT INTO views (case_id, account_id, version, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (case_id) DO UPDATE SET version = excluded.version, data = excluded.data"
            " WHERE excluded.version > version",
            (str(case.case_id), case.account_id, case.version, case.model_dump_json()),
        )
        return changed.rowcount > 0


async def store_refusal(database: Database, refused: EventRefused) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT OR IGNORE INTO refusals (event_id, account_id, case_id, data) VALUES (?, ?, ?, ?)",
            (str(refused.event_id), refused.account_id, str(refused.case_id), refused.model_dump_json()),
        )


async def forget(database: Database, key: str) -> None:
    """Delete all of a case that the authority has erased: there is nothing left to show, and it names people."""
    async with database.transaction() as tx:
        for table in ("views", "applications", "outbox", "refusals"):
            await tx.execute(f"DELETE FROM {table} WHERE case_id = ?", (key,))  # noqa: S608  -- a table of ours


_CASES = """
SELECT case_id, account_id, max(application) AS application, max(data) AS data FROM (
    SELECT case_id, account_id, application, NULL AS data, sent FROM applications
    UNION ALL SELECT case_id, account_id, NULL, data, NULL FROM views
) WHERE account_id = ?1 AND ?2 IN ('', case_id) GROUP BY case_id ORDER BY max(sent) DESC
"""


async def of_account(database: Database, account_id: str, case_id: str = "") -> list[Case]:
    """Return the cases of an account, or of these the one, the newest first."""
    rows = await database.rows(_CASES, account_id, case_id)
    return [
        Case(
            UUID(row["case_id"]),
            row["account_id"],
            Application.model_validate_json(row["application"]) if row["application"] else None,
            CaseChanged.model_validate_json(row["data"]) if row["data"] else None,
        )
        for row in rows
    ]


async def refusals(database: Database, case_id: UUID) -> list[EventRefused]:
    """Return the answers to events that this e-service sent for a case, and that no view can show."""
    rows = await database.rows(
        "SELECT r.data FROM refusals r JOIN outbox o USING (event_id, account_id)"
        " WHERE o.case_id = ? ORDER BY o.number",
        str(case_id),
    )
    return [EventRefused.model_validate_json(row["data"]) for row in rows]
