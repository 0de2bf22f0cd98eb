"""What the audit chains of all services say: of one case, in order of time, and whether they are what they were."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from servicecert_pki.serials import serial_hex, serial_readings
from servicecert_schemas.audit import AuditCheckpoint
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, SERVICES
from servicecert_worker.audit.checkpoints import TrustedKey
from servicecert_worker.audit.verification import Signed, Verified, verify
from servicecert_worker.decider import Change
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.schema import connected, opened
from ..faults import UserError
from .files import can_be

_BY_OPERATORS = """
    select a.at, a.entry from revoker.audit as a
    where a.key in (select 'proposal/' || i.proposal from revoker.proposal_items as i where i.key = any($1::text[]))
      and a.entry::jsonb -> 'happened' ? 'command'
    order by a.at, a.chain, a.seq
"""


@dataclass(frozen=True, slots=True)
class Lived:
    """A row of a case's life: when, at which service, what happened and what followed, as the row says it."""

    at: datetime
    service: str
    entry: Mapping[str, Any]


async def exported(place: Cluster) -> list[AuditCheckpoint]:
    """All checkpoints of the topic, in the order in which they were written."""
    found: list[Change] = []
    await kafka.read(place, AUDIT_CHECKPOINTS, found.append)
    return [change.data for change in found if isinstance(change.data, AuditCheckpoint)]


def read_exported(path: Path) -> list[AuditCheckpoint]:
    """The checkpoints of a file that `audit export` wrote. Raises UserError."""
    with can_be("read", path, "name a file that `audit export` wrote"):
        lines = path.read_bytes().splitlines()
    try:
        return [AuditCheckpoint.model_validate_json(line) for line in lines]
    except ValueError:
        raise UserError(
            f"{path} holds something else than checkpoints: name a file that `audit export` wrote.", os.EX_DATAERR
        ) from None


def _of(checkpoints: Sequence[AuditCheckpoint], service: str) -> list[Signed]:
    return [Signed.of(each) for each in checkpoints if each.service == service]


async def verified(
    url: str,
    services: Sequence[str],
    keys: Mapping[str, TrustedKey],
    checkpoints: Sequence[AuditCheckpoint],
    progress: Callable[[str, int], None],
    topic: Cluster | None = None,
) -> dict[str, Verified]:
    """What was found, by service. `topic` is where the checkpoints were read from, to be asked for later ones; None for those of a file."""

    async def later(service: str) -> list[Signed]:
        return [] if topic is None else _of(await exported(topic), service)

    found: dict[str, Verified] = {}
    for service in services:
        asked = None if topic is None else partial(later, service)
        async with connected(url, service) as connection:
            found[service] = await verify(
                connection, service, keys, _of(checkpoints, service), partial(progress, service), asked
            )
    return found


async def life(url: str, what: str) -> list[Lived]:
    """The rows of a case, or of the certificate with a serial number, in order of time; also who proposed and confirmed its revocation.

    Raises UserError and OperatorError.
    """
    async with opened(url, "public") as connection:
        services = [
            service
            for service in SERVICES
            if await connection.fetchval("select has_table_privilege(to_regclass($1), 'select')", f"{service}.audit")
        ]
        cases = await _cases(connection, what)
        rows = await _decided_by_operators(connection, cases) if "revoker" in services else []
        for key in cases:
            for service in services:
                query = f"select at, entry from {service}.audit where key = $1 order by at, chain, seq"  # noqa: S608  -- the name is ours
                found = await connection.fetch(query, key)
                rows += [Lived(row["at"], service, json.loads(row["entry"])) for row in found]
    return sorted(rows, key=lambda row: row.at)


async def _cases(connection: asyncpg.Connection[Any], what: str) -> list[str]:
    """The case itself, and the cases of the certificates with this serial number, however it is typed (D1)."""
    serials = [serial_hex(serial).lower() for serial in serial_readings(what)]
    if not serials or not await connection.fetchval("select to_regclass('issuer.certificates') is not null"):
        return [what]
    found = await connection.fetch("select key from issuer.certificates where serial = any($1::text[])", serials)
    return [what, *(row["key"] for row in found)]


async def _decided_by_operators(connection: asyncpg.Connection[Any], cases: Sequence[str]) -> list[Lived]:
    """What operators did with the proposals that these cases are in (D2)."""
    found = await connection.fetch(_BY_OPERATORS, cases)
    return [Lived(row["at"], "revoker", json.loads(row["entry"])) for row in found]


def told(lived: Lived) -> Iterator[tuple[str, str]]:
    """A row in words: what happened, then each thing that followed. The facts are beside it."""
    happened = lived.entry["happened"]
    kinds = {"event": "", "result": "result of ", "deadline": "deadline ", "command": "command "}
    what = next(kind for kind in kinds if kind in happened)
    yield kinds[what] + _short(happened[what] or "a record that is no event"), _facts(happened)
    if reason := lived.entry.get("parked"):
        yield f"is parked: {reason}", ""
    if code := lived.entry.get("belated"):
        yield f"comes after its act had ended: {code}", ""
    for event in lived.entry.get("events", ()):
        yield f"publishes {_short(event['type'])}", _facts(event)
    for intent in lived.entry.get("intents", ()):
        yield f"intends {intent['kind']}", _facts(intent)
    for deadline in lived.entry.get("deadlines", ()):
        yield f"wakes for {deadline['kind']}" if deadline["at"] else f"cancels {deadline['kind']}", deadline["at"] or ""


def _short(name: str) -> str:
    return str(name).removeprefix("servicecert.").removesuffix(".v1")


def _facts(of: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in of.get("facts", {}).items())
