"""Reconcile serial numbers (B2): every allocated one is issued, void or open, and nothing exists that was not intended.

Each intent and signature is audited in its transaction (B6), and who can write the tables cannot change the audit's
checkpoints. So a row that another program than a worker added, changed or deleted shows as a difference.
"""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.revocation import Standing, StandingChanged

from ..domain.issuance import SigningOrder
from ..storage import QUERIES


@dataclass(frozen=True, slots=True)
class Serials:
    """The serial numbers of a CA, by outcome. `stopped` applications have none."""

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
    """A difference: its stable code (`what`), the case, and the rest of a sentence that begins with the case."""

    what: str
    key: str
    words: str


async def count_serials(connection: asyncpg.Connection) -> list[Serials]:
    """Return the counts of each CA that ever had an application. Reads the whole table."""
    return [Serials(**dict(row)) for row in await connection.fetch(QUERIES["count_serials"])]


async def count_refused(connection: asyncpg.Connection) -> dict[str, int]:
    """Return the number of refused applications by code, the most frequent first."""
    return {row["code"]: row["count"] for row in await connection.fetch(QUERIES["count_refused"])}


async def differences(connection: asyncpg.Connection) -> list[Difference]:
    """Return all differences in the tables and with the audit. Call it in a snapshot transaction."""
    result = [
        Difference(**dict(row))
        for statement in (QUERIES["reconcile"], QUERIES["reconcile_audit"])
        for row in await connection.fetch(statement)
    ]
    for row in await connection.fetch(QUERIES["open_acts"]):
        order = SigningOrder.model_validate_json(row["data"])
        if (order.tbs, order.issuer) != (row["tbs"], row["issuer"]):
            result.append(
                Difference("other-act", row["key"], "has an act open that would sign other bytes than intended")
            )
    return result + [
        Difference(
            "unaccounted", each.issuer, f"has {each.allocated} serial numbers, of which {_sum(each)} are accounted for"
        )
        for each in await count_serials(connection)
        if each.allocated != _sum(each)
    ]


async def not_accepted(connection: asyncpg.Connection) -> list[Difference]:
    """Return the cases whose application intake did not accept, by its audit in the same database."""
    return [Difference(**dict(row)) for row in await connection.fetch(QUERIES["reconcile_accepted"])]


def _sum(serials: Serials) -> int:
    return serials.issued + serials.void + serials.open


class PublishedOutcomes:
    """The published outcomes, compared with the tables: one for each case, as recorded, and void ones are revoked."""

    def __init__(self) -> None:
        self.count = 0
        self._ends: dict[str, tuple[str, str, str, str | None]] = {}
        self._revoked: set[tuple[str, str]] = set()
        self._differences: list[Difference] = []

    def add_outcome(self, data: CertificateIssued | CertificateVoided) -> None:
        """Add an event; it may be added more than once."""
        end: tuple[str, str, str, str | None] = (data.issuer, data.serial, "voided", None)
        if isinstance(data, CertificateIssued):
            end = (data.issuer, data.serial, "issued", data.fingerprint)
        if self._ends.setdefault(data.key(), end) != end:
            self._differences.append(Difference("told-twice", data.key(), "is published with two outcomes"))
        self.count = len(self._ends)

    def add_standing(self, event: StandingChanged) -> None:
        if event.standing is Standing.REVOKED:
            self._revoked.add((event.issuer, event.serial))

    async def differences(self, connection: asyncpg.Connection) -> list[Difference]:
        """Return published outcomes that are recorded otherwise, and void ones not revoked within a day (D4)."""
        for key, end in self._ends.items():
            row = await connection.fetchrow(QUERIES["recorded"], key)
            if row is None or tuple(row) != end:
                self._differences.append(
                    Difference("told-otherwise", key, f"is published as {end[2]}, but recorded otherwise or not at all")
                )
        for row in await connection.fetch(QUERIES["voids"]):
            if (row["issuer"], row["serial"]) not in self._revoked:
                self._differences.append(
                    Difference("void-valid", row["key"], "has been void for 24 hours, but is not revoked")
                )
        return self._differences
