"""Stores the statuses of certificates and the entries of CRLs, the progress of proposals, and responders (F3).

The database guards them, and has what operators may do with proposals (migrations/).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields, replace
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from asyncpg import Record
from pydantic import Field, TypeAdapter
from servicecert_pki.partitions import FULL
from servicecert_schemas.certificate import Recipients
from servicecert_schemas.responder import ResponderEnvironment
from servicecert_schemas.revocation import RevocationReason
from servicecert_worker.core.decider import Conflict, Connection, Stored
from servicecert_worker.storage import columns

from ..domain.authority_requests import MOST_AT_ONCE, Item, Proposal, proposal_key, proposal_of
from ..domain.certificates import Certificate, Void
from ..domain.crl_orders import entry
from ..domain.decide import State
from ..domain.responders import Booked, EnrolledKey
from ..domain.status import (
    Asked,
    Awaited,
    Entered,
    Listed,
    Listing,
    Registered,
    Revocation,
    Revoked,
    Status,
    Valid,
    pending_of,
)
from . import QUERIES

log = logging.getLogger(__name__)

# A void one lacks the required fields of a certificate.
_CERTIFICATE: TypeAdapter[Certificate | Void] = TypeAdapter(
    Annotated[Certificate | Void, Field(union_mode="left_to_right")]
)
_ASKED = TypeAdapter(tuple[Asked, ...])
_REQUESTERS = TypeAdapter(Recipients)
_LISTING = TypeAdapter(Listing)
_ITEMS = TypeAdapter(tuple[Item, ...])

_STANDING: dict[type[Status], str] = {Valid: "valid", Registered: "registered", Listed: "listed", Revoked: "revoked"}
_REVOCATION = tuple(each.name for each in fields(Revocation))
"""The columns of an entry, in the order of the table's."""
_ENTERED: dict[str, type[Registered | Listed]] = {"registered": Registered, "listed": Listed}
_RESPONDERS = "ocsp/"
_STATUS_COLUMNS = 12
_ENTRY_COLUMNS = 14


class RevocationStore:
    """A `Store` of certificates' statuses, in `statuses` and `revocations`, of proposals, and of responders."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[State]]:
        rows = await connection.fetch(QUERIES["load"], keys)
        stored: list[Stored[State]] = [Stored(row["key"], row["version"], _status(row)) for row in rows]
        stored += await _load_proposals(connection, keys)
        stored += await _load_responders(connection, keys)
        return stored

    async def save(self, connection: Connection, changed: Sequence[Stored[State]]) -> None:
        """Store changed states. Raises Conflict; asyncpg's constraint violations where a revocation would be undone."""
        proposals = [(each.version, each.state) for each in changed if isinstance(each.state, Proposal)]
        if proposals:
            await _save_proposals(connection, proposals)
        responders = [each.state for each in changed if isinstance(each.state, EnrolledKey)]
        if responders:
            await _save_responders(connection, responders)
        statuses = [
            (each.key, each.version, each.state)
            for each in changed
            if not isinstance(each.state, Proposal | EnrolledKey)
        ]
        if statuses:
            await _save_statuses(connection, statuses)


async def _save_statuses(connection: Connection, changed: Sequence[tuple[str, int, Status]]) -> None:
    rows = [_row(*each) for each in changed]
    entries = [
        _entry(key, status.certificate, status.revocation) for key, _, status in changed if isinstance(status, Entered)
    ]
    try:
        saved = await connection.fetchval(
            QUERIES["save"], *columns(rows, _STATUS_COLUMNS), *columns(entries, _ENTRY_COLUMNS)
        )
    except asyncpg.UniqueViolationError as violation:
        if violation.constraint_name != "statuses_issuer_serial_key":
            raise
        raise Conflict("A certificate was told of for another case meanwhile.") from None
    if saved != len(changed):
        raise Conflict(f"{len(changed) - saved} of {len(changed)} certificates were changed by another worker.")


def _row(key: str, version: int, status: Status) -> tuple[Any, ...]:
    pending = pending_of(status)
    asked = _ASKED.dump_json(pending).decode() if pending or isinstance(status, Awaited) else None
    if isinstance(status, Awaited):
        return (key, version, "awaited", None, None, FULL, None, None, asked, None, None, False)
    requesters = status.requesters if isinstance(status, Entered) else ()
    listing, changed = (status.listing, status.changed) if isinstance(status, Revoked) else (None, False)
    mailed = (
        _REQUESTERS.dump_json(requesters).decode() if requesters else None,
        None if listing is None else _LISTING.dump_json(listing).decode(),
    )
    return (key, version, _STANDING[type(status)], *certificate_columns(status.certificate), asked, *mailed, changed)


def certificate_columns(certificate: Certificate | Void) -> tuple[Any, ...]:
    """Return the columns of a certificate: issuer, serial, partition, certificate, der."""
    known = _CERTIFICATE.dump_json(certificate, exclude={"der"}).decode()
    der = certificate.der if isinstance(certificate, Certificate) else None
    return (certificate.issuer, certificate.serial, certificate.partition, known, der)


def _entry(key: str, certificate: Certificate | Void, revocation: Revocation) -> tuple[Any, ...]:
    return (
        certificate.issuer,
        certificate.serial,
        certificate.partition,
        key,
        *(getattr(revocation, name) for name in _REVOCATION),
        max(certificate.not_after, revocation.revoked_at),
        entry(certificate, revocation),
    )


def _status(row: Record) -> Status:
    pending = () if row["asked"] is None else _ASKED.validate_json(row["asked"])
    if row["standing"] == "awaited":
        return Awaited(pending)
    certificate = _certificate(row)
    if row["standing"] == "valid":
        assert isinstance(certificate, Certificate)
        return Valid(certificate, pending)
    revocation = Revocation(**{name: row[name] for name in _REVOCATION} | {"reason": RevocationReason(row["reason"])})
    requesters = () if row["requesters"] is None else _REQUESTERS.validate_json(row["requesters"])
    if row["standing"] == "revoked":
        listing = None if row["listing"] is None else _LISTING.validate_json(row["listing"])
        return Revoked(certificate, revocation, pending, requesters, listing, row["changed"])
    return _ENTERED[row["standing"]](certificate, revocation, pending, requesters)


def _certificate(row: Record) -> Certificate | Void:
    """Return a row's certificate as it itself says, with an alarm if the row says otherwise (F2, F4)."""
    stored, der = _CERTIFICATE.validate_json(row["certificate"]), row["der"]
    if isinstance(stored, Void) or der is None:
        return stored
    certificate = stored.read(der)
    if certificate != replace(stored, der=der):
        log.error("alarm: the certificate of %s is stored with other values than its own, which count", row["key"])
    return certificate


async def _load_proposals(connection: Connection, keys: Sequence[str]) -> list[Stored[State]]:
    ids = [id for key in keys if (id := proposal_of(key)) is not None]
    rows = await connection.fetch(QUERIES["load_proposals"], ids, MOST_AT_ONCE) if ids else []
    return [Stored(proposal_key(row["id"]), row["version"], _proposal(row)) for row in rows]


async def _save_proposals(connection: Connection, changed: Sequence[tuple[int, Proposal]]) -> None:
    saved = await connection.fetchval(
        QUERIES["save_proposals"],
        *columns([(it.id, version, it.ordered, it.carried_at, it.done_at) for version, it in changed], 5),
    )
    if saved != len(changed):
        raise Conflict(f"{len(changed) - saved} of {len(changed)} proposals were changed by another worker.")


def _proposal(row: Record) -> Proposal:
    read = {
        "reason": RevocationReason(row["reason"]),
        "next": _ITEMS.validate_json(row["next"]),
        "first_case": row["first_case"] and UUID(row["first_case"]),
    }
    return Proposal(**{each.name: row[each.name] for each in fields(Proposal)} | read)


async def _load_responders(connection: Connection, keys: Sequence[str]) -> list[Stored[State]]:
    digests = [key.rpartition("/")[2] for key in keys if key.startswith(_RESPONDERS)]
    if not digests:
        return []
    found: dict[str, list[Record]] = {}
    for row in await connection.fetch(QUERIES["load_responders"], digests):
        found.setdefault(f"{_RESPONDERS}{row['environment']}/{row['key_sha256']}", []).append(row)
    return [Stored(key, 1, _responder(rows)) for key, rows in found.items() if key in keys]


def _responder(rows: Sequence[Record]) -> EnrolledKey:
    first = rows[0]
    return EnrolledKey(ResponderEnvironment(first["environment"]), first["key_sha256"], tuple(map(_booked, rows)))


def _booked(row: Record) -> Booked:
    return Booked(row["issuer"], row["serial"], row["tbs_sha256"], row["not_after"], row["fingerprint"], row["refusal"])


async def _save_responders(connection: Connection, responders: Sequence[EnrolledKey]) -> None:
    """Store what is intended and how it ended. The database refuses a second end."""
    rows = [(each.environment.value, each.key_sha256, *astuple(it)) for each in responders for it in each.certificates]
    await connection.executemany(QUERIES["save_responder"], rows)


async def booked(pool: "asyncpg.Pool", orders: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Booked]:
    """Return the entries of these certificates of responders, by issuer and serial number."""
    rows = await pool.fetch(QUERIES["booked"], [issuer for issuer, _ in orders], [serial for _, serial in orders])
    return {(row["issuer"], row["serial"]): _booked(row) for row in rows}
