"""The table of certificates: one row a case, guarded by the database (migrations/)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import asyncpg
from asyncpg import Pool, Record
from pydantic import TypeAdapter
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_worker.core.decider import Conflict, Connection, FactsInvalid, Stored
from servicecert_worker.core.signed_record import SignedRecord

from ..domain.issuance import Grant, Intended, Linted, Recorded, Refused, State, Stopped, Voided
from ..domain.unissuable import KEY_COMPROMISED, KEY_OF_ANOTHER
from . import QUERIES

_GRANT = TypeAdapter(Grant)
_LINTED = tuple(it.name for it in fields(Linted))
_COLUMNS = (
    *("key", "version", "state", *_LINTED, "sign_by", "grant", "refusal"),
    *("application", "findings", "application_sha256", "record", "certificate"),
)


class CertificateStore:
    """A `Store` in the table `certificates`."""

    async def load(self, connection: Connection, keys: Sequence[str]) -> Sequence[Stored[State]]:
        rows = await connection.fetch(QUERIES["load"], keys)
        return [Stored(row["key"], row["version"], _state(row)) for row in rows]

    async def save(self, connection: Connection, changed: Sequence[Stored[State]]) -> None:
        """Store the states. Raise Conflict; FactsInvalid where a serial number is taken or a key may not be certified;
        asyncpg's constraint violations where the order of issuing would be broken."""
        rows = [_row(each) for each in changed]
        try:
            saved = await connection.fetchval(QUERIES["save"], *([row.get(name) for row in rows] for name in _COLUMNS))
        except asyncpg.UniqueViolationError as violation:
            raise _invalid_facts(violation) from None
        if saved != len(changed):
            raise Conflict(f"{len(changed) - saved} of {len(changed)} certificates were changed by another worker.")


def _invalid_facts(violation: asyncpg.UniqueViolationError) -> Exception:
    if violation.constraint_name == "certificates_issuer_serial_key":
        return FactsInvalid("The drawn serial number is taken: check the machine's source of randomness.")
    if violation.constraint_name == "key_of_another_organisation" and violation.detail is not None:
        text = "A key was certified for another organisation meanwhile."
        return FactsInvalid(text, MappingProxyType({violation.detail: KEY_OF_ANOTHER}))
    if violation.constraint_name == "key_compromised" and violation.detail is not None:
        text = "A key was reported as compromised meanwhile."
        return FactsInvalid(text, MappingProxyType({violation.detail: KEY_COMPROMISED}))
    return violation


async def states(pool: "Pool", keys: Sequence[str]) -> Mapping[str, State]:
    return {row["key"]: _state(row) for row in await pool.fetch(QUERIES["load"], list(keys))}


def _row(entry: Stored[State]) -> Mapping[str, Any]:
    row: dict[str, Any] = {"key": entry.key, "version": entry.version}
    match entry.state:
        case Refused(code=code, application_sha256=digest):
            return {**row, "state": "refused", "refusal": code, "application_sha256": digest}
        case Stopped() as stopped:
            return {
                **row,
                "state": "stopped",
                "issuer": stopped.issuer,
                "application": stopped.application.model_dump_json(),
                "findings": json.dumps(stopped.findings),
                "application_sha256": stopped.application.application_sha256,
                "record": stopped.record and stopped.record.text,
            }
        case Intended() as intended:
            return {
                **row,
                "state": "intended",
                **vars(intended.linted),
                "sign_by": intended.sign_by,
                "grant": _GRANT.dump_json(intended.grant).decode(),
                "application_sha256": intended.application_sha256,
                "record": intended.record and intended.record.text,
            }
        case Voided(code=code):
            return {**row, "state": "voided", "refusal": code}
        case Recorded(certificate=certificate):
            return {**row, "state": "issued", "certificate": certificate}


def _state(row: Record) -> State:
    record = None if row["record"] is None else SignedRecord(row["record"])
    match row["state"]:
        case "refused":
            return Refused(row["refusal"], row["application_sha256"])
        case "stopped":
            application = ApplicationAccepted.model_validate_json(row["application"])
            return Stopped(application, row["issuer"], tuple(json.loads(row["findings"])), record)
    intended = Intended(
        Linted(**{name: row[name] for name in _LINTED}),
        _GRANT.validate_json(row["grant"]),
        row["sign_by"],
        row["application_sha256"],
        record,
        row["unwanted"],
    )
    match row["state"]:
        case "intended":
            return intended
        case "voided":
            return Voided(intended, row["refusal"])
    return Recorded(intended, row["certificate"])
