"""The books of the certificates of OCSP responders, in the table `responder_certificates` (F3)."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import asyncpg
from servicecert_schemas.responder import ResponderEnvironment
from servicecert_worker.core.decider import Connection

from ..domain.responders import Booked, EnrolledKey
from . import QUERIES

_KIND = "ocsp/"


async def load_responders(connection: Connection, keys: Sequence[str]) -> list[tuple[str, int, EnrolledKey]]:
    """Return the responders that are in the books, each with its key; nothing is read where no key is one of these."""
    digests = [key.rpartition("/")[2] for key in keys if key.startswith(_KIND)]
    if not digests:
        return []
    found: dict[str, list[asyncpg.Record]] = {}
    for row in await connection.fetch(QUERIES["load_responders"], digests):
        found.setdefault(f"{_KIND}{row['environment']}/{row['key_sha256']}", []).append(row)
    return [(key, 1, _responder(rows)) for key, rows in found.items() if key in keys]


def _responder(rows: Sequence[asyncpg.Record]) -> EnrolledKey:
    return EnrolledKey(
        ResponderEnvironment(rows[0]["environment"]),
        rows[0]["key_sha256"],
        tuple(map(_booked, rows)),
    )


def _booked(row: asyncpg.Record) -> Booked:
    return Booked(row["issuer"], row["serial"], row["tbs_sha256"], row["not_after"], row["fingerprint"], row["refusal"])


async def save_responders(connection: Connection, responders: Sequence[EnrolledKey]) -> None:
    """Store what is intended and how it ended. The database refuses a second end."""
    rows = [(each.environment.value, each.key_sha256, *astuple(it)) for each in responders for it in each.certificates]
    await connection.executemany(QUERIES["save_responder"], rows)


async def booked(pool: "asyncpg.Pool[Any]", orders: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Booked]:
    """Return the entries of these certificates, by issuer and serial number."""
    rows = await pool.fetch(QUERIES["booked"], [issuer for issuer, _ in orders], [serial for _, serial in orders])
    return {(row["issuer"], row["serial"]): _booked(row) for row in rows}
