"""The contents of the database at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import SERVICES

from chaos.idle import NO_CHECKPOINTS
from chaos.topics import RecordPosition


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A row of the issuer. `tbs` and `certificate` are SHA-256; `certificate` is None if it was not signed."""

    state: str
    issuer: str
    serial: str
    tbs: str
    certificate: str | None


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A parked record: the service that parked it, its position, and the reason."""

    service: str
    position: RecordPosition
    reason: str


@dataclass(frozen=True, slots=True)
class Tables:
    """Certificates and standings by case, mails by id (case and state), CRL numbers by CA and partition (0: full list),
    parked records, and counts of unfinished rows."""

    certificates: Mapping[UUID, CertificateRow]
    standings: Mapping[UUID, str]
    views: Mapping[UUID, tuple[int, str]]
    mails: Mapping[UUID, tuple[UUID, str]]
    crl_numbers: Mapping[tuple[str, int], frozenset[int]]
    parked: Sequence[ParkedRow]
    open: Mapping[str, int]


_CERTIFICATES = """
select key, state::text, issuer, serial, encode(sha256(tbs), 'hex') as tbs,
    encode(sha256(certificate), 'hex') as certificate
from issuer.certificates
"""
_CRLS = "select issuer, partition, array_agg(number) as numbers from revoker.crls group by issuer, partition"
_PARKED = " union all ".join(
    f"""select '{service}' as service, topic, partition, "offset", reason from {service}.parked"""
    for service in SERVICES
)
# Future deadlines remain: the next CRL of each CA, the nightly tasks, those of cases that wait for their customer. The
# revoker's deadline of a request ends with its answer, so none may remain.
_NOT_LATER = "where key not like 'crl/%' and (at < now() or kind = 'answer')"
_OPEN = " union all ".join(
    f"select '{service}.{table}', count(*) from {service}.{table} {where}"
    for service in SERVICES
    for table, where in (("outbox", NO_CHECKPOINTS), ("intents", ""), ("deadlines", _NOT_LATER))
)


async def read_tables(system: System) -> Tables:
    """Return the contents, read as the administrator."""
    connection = await asyncpg.connect(system.backends.admin_url)
    try:
        return Tables(
            certificates={
                UUID(row["key"]): CertificateRow(
                    row["state"], row["issuer"], row["serial"], row["tbs"], row["certificate"]
                )
                for row in await connection.fetch(_CERTIFICATES)
            },
            standings={
                UUID(row["key"]): row["standing"]
                for row in await connection.fetch("select key, standing::text from revoker.statuses")
            },
            views={
                UUID(row["case_id"]): (row["version"], row["state"])
                for row in await connection.fetch(
                    "select case_id, (body ->> 'version')::int as version, state::text from intake.cases"
                )
            },
            mails={
                row["mail_id"]: (row["case_id"], row["state"])
                for row in await connection.fetch("select mail_id, case_id, state from notifier.mails")
            },
            crl_numbers={
                (row["issuer"], row["partition"]): frozenset(row["numbers"]) for row in await connection.fetch(_CRLS)
            },
            parked=[
                ParkedRow(row["service"], (row["topic"], row["partition"], row["offset"]), row["reason"])
                for row in await connection.fetch(_PARKED)
            ],
            open={row[0]: row[1] for row in await connection.fetch(_OPEN) if row[1]},
        )
    finally:
        connection.terminate()
