"""Where the issuer keeps its certificates: one row a case, guarded by the database (migrations/)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncpg import Record
from pydantic import TypeAdapter
from servicecert_worker.decider import Conflict, Connection, Stored

from .issuance import Allocated, Grant, Intended, Recorded, Refused, State

_SQL = Path(__file__).parent / "sql"
_LOAD = (_SQL / "load.sql").read_text()
_SAVE = (_SQL / "save.sql").read_text()

_GRANT = TypeAdapter(Grant)
_BEGUN_COLUMNS = 13
_ISSUED_COLUMNS = 3


class CertificateStore:
    """A `Store` in the table `certificates`."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[State]]:
        rows = await connection.fetch(_LOAD, keys)
        return [Stored(row["key"], row["version"], _state(row)) for row in rows]

    async def save(self, connection: Connection, changed: Sequence[Stored[State]]) -> None:
        """Raises Conflict; asyncpg's constraint violations where the order of issuing would be broken."""
        begun = [_begun(each.key, each.state) for each in changed if not isinstance(each.state, Recorded)]
        issued = [
            (each.key, each.version, each.state.certificate) for each in changed if isinstance(each.state, Recorded)
        ]
        saved = await connection.fetchval(_SAVE, *_columns(begun, _BEGUN_COLUMNS), *_columns(issued, _ISSUED_COLUMNS))
        if saved != len(changed):
            raise Conflict(f"{len(changed) - saved} of {len(changed)} certificates were changed by another worker.")


def _columns(rows: list[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _begun(key: str, state: Intended | Refused) -> tuple[Any, ...]:
    if isinstance(state, Refused):
        return (key, "refused", *(None,) * 10, state.code)
    it = state.allocated
    return (
        key,
        "intended",
        it.issuer,
        it.serial_hex,
        it.tbs,
        it.profile,
        it.profile_version,
        it.partition,
        it.not_before,
        it.not_after,
        it.key_sha256,
        _GRANT.dump_json(state.grant).decode(),
        None,
    )


def _state(row: Record) -> State:
    if row["state"] == "refused":
        return Refused(row["refusal"])
    intended = Intended(
        Allocated(
            issuer=row["issuer"],
            serial=int(row["serial"], 16),
            profile=row["profile"],
            profile_version=row["profile_version"],
            not_before=row["not_before"],
            not_after=row["not_after"],
            key_sha256=row["key_sha256"],
            tbs=row["tbs"],
            partition=row["partition"],
        ),
        _GRANT.validate_json(row["grant"]),
    )
    return intended if row["state"] == "intended" else Recorded(intended, row["certificate"])
