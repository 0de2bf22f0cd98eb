"""Reads the audit chains of all services: the history of a case, and the verification of the chains."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from servicecert_pki.serials import serial_hex
from servicecert_schemas.characters import cleaned
from servicecert_schemas.codec import Undecodable
from servicecert_schemas.event import Change
from servicecert_schemas.operators import AuditCheckpoint
from servicecert_schemas.serials import serial_readings
from servicecert_schemas.topics import AUDIT_CHECKPOINTS, SERVICES, unversioned
from servicecert_worker.audit.checkpoints import Exported, Signed
from servicecert_worker.audit.verification import Verified, verify
from servicecert_worker.core.service_keys import TrustedKey
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.schema import connected, opened
from ..faults import UserError
from .files import file_errors

_BY_OPERATORS = """
    select a.at, a.entry from revoker.audit as a
    where a.key in (select 'proposal/' || i.proposal from revoker.proposal_items as i where i.key = any($1::text[]))
      and a.entry::jsonb -> 'happened' ? 'command'
    order by a.at, a.chain, a.seq
"""

# A serial number is looked up CA by CA: the index is in their order.
CASES = """
    with recursive issuers (issuer) as (
        select min(issuer) from issuer.certificates
        union all
        select (select min(c.issuer) from issuer.certificates as c where c.issuer > i.issuer)
        from issuers as i where i.issuer is not null
    )
    select key from issuer.certificates
    where issuer = any(array(select issuer from issuers)) and serial = any($1::text[])
"""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A row of a case's history: the time, the service, and the audit entry with what happened and its effects."""

    at: datetime
    service: str
    entry: Mapping[str, Any]


async def read_topic(cluster: Cluster, take: Callable[[AuditCheckpoint], object]) -> Counter[str]:
    """Call `take` with each checkpoint of the topic, in order. Return how many records are none, by reason."""
    ignored: Counter[str] = Counter()

    def take_event(change: Change) -> None:
        if isinstance(change.data, AuditCheckpoint):
            take(change.data)

    def skip(_: object, fault: Undecodable) -> None:
        ignored[fault.code] += 1

    await kafka.read(cluster, AUDIT_CHECKPOINTS, take_event, skip=skip)
    return ignored


async def exported(cluster: Cluster, keys: Mapping[str, TrustedKey]) -> Exported:
    checkpoints = Exported(keys)
    checkpoints.ignored += await read_topic(cluster, checkpoints.add)
    return checkpoints


def read_exported(path: Path, keys: Mapping[str, TrustedKey]) -> Exported:
    """Return the signed checkpoints of a file that `audit export` wrote. Raises UserError."""
    checkpoints = Exported(keys)
    with file_errors("read", path, "name a file that `audit export` wrote"):
        lines = path.read_bytes().splitlines()
    try:
        for line in lines:
            checkpoints.add(AuditCheckpoint.model_validate_json(line))
    except ValueError:
        raise UserError(
            f"{path} does not hold checkpoints: name a file that `audit export` wrote.", os.EX_DATAERR
        ) from None
    return checkpoints


async def verified(
    url: str,
    services: Sequence[str],
    keys: Mapping[str, TrustedKey],
    checkpoints: Exported,
    progress: Callable[[str, int], None],
    topic: Cluster | None = None,
) -> dict[str, Verified]:
    """Return the result by service. Later checkpoints are read from `topic`; None if `checkpoints` are from a file."""

    async def later(topic: Cluster, service: str) -> list[Signed]:
        return (await exported(topic, keys)).of(service)

    results: dict[str, Verified] = {}
    for service in services:
        read_later = None if topic is None else partial(later, topic, service)
        signed, tell = checkpoints.of(service), partial(progress, service)
        async with connected(url, service) as connection:
            results[service] = await verify(connection, service, keys, signed, tell, read_later)
    return results


async def history(url: str, what: str) -> list[HistoryRow]:
    """Return the rows of a case, or of a certificate's serial number, in order of time.

    They include who proposed and confirmed its revocation. Raises UserError and OperatorError.
    """
    async with opened(url, "public") as connection:
        services = [
            service
            for service in SERVICES
            if await connection.fetchval(
                "select has_any_column_privilege(to_regclass($1), 'select')", f"{service}.audit"
            )
        ]
        cases = await _cases(connection, what)
        found = []
        if "revoker" in services:
            found += [("revoker", row) for row in await connection.fetch(_BY_OPERATORS, cases)]
        for service in services:
            query = f"select at, entry from {service}.audit where key = any($1::text[]) order by at, chain, seq"  # noqa: S608
            found += [(service, row) for row in await connection.fetch(query, cases)]
    rows = [HistoryRow(row["at"], service, json.loads(row["entry"])) for service, row in found]
    return sorted(rows, key=lambda row: row.at)


async def _cases(connection: asyncpg.Connection, what: str) -> list[str]:
    """Return the case itself, and the cases of certificates with this serial number, in any notation (D1)."""
    serials = [serial_hex(serial).lower() for serial in serial_readings(cleaned(what))]
    if not serials or not await connection.fetchval("select to_regclass('issuer.certificates') is not null"):
        return [what]
    return [what, *(row["key"] for row in await connection.fetch(CASES, serials))]


def described(row: HistoryRow) -> Iterator[tuple[str, str]]:
    """Yield what happened, then each effect, as text with its facts."""
    happened = row.entry["happened"]
    kinds = {"event": "", "result": "result of ", "deadline": "deadline ", "command": "command "}
    what = next(kind for kind in kinds if kind in happened)
    yield kinds[what] + short_name(happened[what] or "a record that is not an event"), _facts(happened)
    if reason := row.entry.get("parked"):
        yield f"is parked: {reason}", ""
    if code := row.entry.get("belated"):
        yield f"ignored, its intent had ended: {code}", ""
    for event in row.entry.get("events", ()):
        yield f"publishes {short_name(event['type'])}", _facts(event)
    for intent in row.entry.get("intents", ()):
        yield f"intends {intent['kind']}", _facts(intent)
    for deadline in row.entry.get("deadlines", ()):
        kind, at = deadline["kind"], deadline["at"]
        yield f"sets deadline {kind}" if at else f"cancels deadline {kind}", at or ""


def short_name(name: str) -> str:
    return unversioned(str(name)).removeprefix("servicecert.")


def _facts(of: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in of.get("facts", {}).items())
