"""Whether the books agree (B2): every serial number that was allocated is issued, void or open, and nothing is that was not intended.

The audit tells of each intention and each signature in the transaction that made it (B6), and its checkpoints are out of the reach of whoever may write
the tables. So the tables are held against it: what was put into them, or taken out, by another hand than a worker's is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.revocation import Standing, StandingChanged

from ..domain.issuance import SigningOrder
from ..storage import QUERIES

_PATIENCE = 3600.0
"""Seconds for a statement that reads the whole table."""


@dataclass(frozen=True, slots=True)
class Serials:
    """What became of the serial numbers of a CA. `stopped` applications have none."""

    issuer: str
    allocated: int
    issued: int
    void: int
    open: int
    stopped: int
    last_issued: datetime | None
    open_since: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that must not be: a stable word for it, the case, and a sentence's end."""

    what: str
    key: str
    words: str


async def count_serials(connection: asyncpg.Connection[Any]) -> list[Serials]:
    """Of each CA that ever had an application. Reads the whole table."""
    return [Serials(**dict(row)) for row in await connection.fetch(QUERIES["count_serials"], timeout=_PATIENCE)]


async def count_refused(connection: asyncpg.Connection[Any]) -> dict[str, int]:
    """How many applications were refused, by the refusal's code, the most frequent first."""
    return {row["code"]: row["count"] for row in await connection.fetch(QUERIES["count_refused"], timeout=_PATIENCE)}


async def differences(connection: asyncpg.Connection[Any]) -> list[Difference]:
    """Everything in the tables that must not be, or is not in the audit. Called in one transaction of one snapshot, so that workers may go on meanwhile."""
    found = [
        Difference(**dict(row))
        for statement in (QUERIES["reconcile"], QUERIES["reconcile_audit"])
        for row in await connection.fetch(statement, timeout=_PATIENCE)
    ]
    for row in await connection.fetch(QUERIES["open_acts"]):
        order = SigningOrder.model_validate_json(row["data"])
        if (order.tbs, order.issuer) != (row["tbs"], row["issuer"]):
            found.append(
                Difference("other-act", row["key"], "has an act open that would sign other bytes than intended")
            )
    return found + [
        Difference(
            "unaccounted", each.issuer, f"has {each.allocated} serial numbers, of which {_sum(each)} are accounted for"
        )
        for each in await count_serials(connection)
        if each.allocated != _sum(each)
    ]


def _sum(serials: Serials) -> int:
    return serials.issued + serials.void + serials.open


class Published:
    """What the topics tell, held against the tables: each case has one end, it is the recorded one, and what is void is revoked."""

    def __init__(self) -> None:
        self.told = 0
        self._ends: dict[str, tuple[str, str, str, str | None]] = {}
        self._revoked: set[tuple[str, str]] = set()
        self._found: list[Difference] = []

    def take(self, data: CertificateIssued | CertificateVoided) -> None:
        """Takes in an event. It may come more than once."""
        end: tuple[str, str, str, str | None] = (data.issuer, data.serial, "voided", None)
        if isinstance(data, CertificateIssued):
            end = (data.issuer, data.serial, "issued", data.fingerprint)
        if self._ends.setdefault(data.key(), end) != end:
            self._found.append(Difference("told-twice", data.key(), "is told with two ends"))
        self.told = len(self._ends)

    def hear(self, said: StandingChanged) -> None:
        """Takes in what OCSP responders are told."""
        if said.standing is Standing.REVOKED:
            self._revoked.add((said.issuer, said.serial))

    async def differences(self, connection: asyncpg.Connection[Any]) -> list[Difference]:
        """What is told and not recorded so, and what is void and not told as revoked within a day (D4)."""
        for key, end in self._ends.items():
            row = await connection.fetchrow(QUERIES["recorded"], key)
            if row is None or tuple(row) != end:
                self._found.append(
                    Difference("told-otherwise", key, f"is told as {end[2]} with another record, or none")
                )
        for row in await connection.fetch(QUERIES["voids"]):
            if (row["issuer"], row["serial"]) not in self._revoked:
                self._found.append(Difference("void-valid", row["key"], "is void for 24 hours, and not revoked"))
        return self._found


def sentences(found: list[Difference]) -> Iterator[str]:
    """A line for each difference."""
    return (f"{each.key} {each.words}" for each in found)
