"""Where the revoker keeps what it knows of certificates, and the entries of its CRLs, guarded by the database (migrations/)."""

from collections.abc import Sequence
from typing import Annotated, Any

from asyncpg import Record
from pydantic import Field, TypeAdapter
from servicecert_pki.partitions import FULL
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.decider import Conflict, Connection, Stored

from ..crl.domain.entries import encoded, entry
from ..domain.status import (
    Asked,
    Awaited,
    Certificate,
    Final,
    Listed,
    Registered,
    Revocation,
    Revoked,
    Status,
    Valid,
    Void,
    held_of,
)
from . import QUERIES

# What lacks what every certificate has is void.
_CERTIFICATE: TypeAdapter[Certificate | Void] = TypeAdapter(
    Annotated[Certificate | Void, Field(union_mode="left_to_right")]
)
_ASKED = TypeAdapter(tuple[Asked, ...])

_STANDING: dict[type[Status], str] = {Valid: "valid", Registered: "registered", Listed: "listed", Revoked: "revoked"}
_FINAL: dict[str, type[Final]] = {"registered": Registered, "listed": Listed, "revoked": Revoked}
_STATUS_COLUMNS = 8
_ENTRY_COLUMNS = 12


class StatusStore:
    """A `Store` in the tables `statuses` and `revocations`."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[Status]]:
        rows = await connection.fetch(QUERIES["load"], keys)
        return [Stored(row["key"], row["version"], _status(row)) for row in rows]

    async def save(self, connection: Connection, changed: Sequence[Stored[Status]]) -> None:
        """Raises Conflict; asyncpg's constraint violations where a revocation would be undone."""
        statuses = [_row(stored) for stored in changed]
        entries = [
            _entry(stored.key, stored.state.certificate, stored.state.revocation)
            for stored in changed
            if isinstance(stored.state, Final)
        ]
        saved = await connection.fetchval(
            QUERIES["save"], *_columns(statuses, _STATUS_COLUMNS), *_columns(entries, _ENTRY_COLUMNS)
        )
        if saved != len(changed):
            raise Conflict(f"{len(changed) - saved} of {len(changed)} certificates were changed by another worker.")


def _columns(rows: list[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _row(stored: Stored[Status]) -> tuple[Any, ...]:
    status = stored.state
    held = held_of(status)
    asked = _ASKED.dump_json(held).decode() if held or isinstance(status, Awaited) else None
    if isinstance(status, Awaited):
        return (stored.key, stored.version, "awaited", None, None, FULL, None, asked)
    certificate = status.certificate
    known = _CERTIFICATE.dump_json(certificate).decode()
    return (
        stored.key,
        stored.version,
        _STANDING[type(status)],
        certificate.issuer,
        certificate.serial,
        certificate.partition,
        known,
        asked,
    )


def _entry(key: str, certificate: Certificate | Void, revocation: Revocation) -> tuple[Any, ...]:
    return (
        certificate.issuer,
        certificate.serial,
        certificate.partition,
        key,
        revocation.request_id,
        revocation.reason,
        revocation.requested_at,
        revocation.due,
        revocation.revoked_at,
        revocation.invalid_since,
        certificate.not_after,
        encoded(entry(certificate, revocation)),
    )


def _status(row: Record) -> Status:
    held = () if row["asked"] is None else _ASKED.validate_json(row["asked"])
    if row["standing"] == "awaited":
        return Awaited(held)
    certificate = _CERTIFICATE.validate_json(row["certificate"])
    if row["standing"] == "valid":
        assert isinstance(certificate, Certificate)
        return Valid(certificate, held)
    revocation = Revocation(
        request_id=row["request_id"],
        reason=RevocationReason(row["reason"]),
        requested_at=row["requested_at"],
        due=row["due"],
        revoked_at=row["revoked_at"],
        invalid_since=row["invalid_since"],
    )
    return _FINAL[row["standing"]](certificate, revocation, held)
