"""Reconcile what the revoker had signed with a CA's key (F3): responders' certificates and CRLs, by the books.

Each intent and signature of a responder's certificate is audited in its transaction (B6), so a row that another program
than a worker added, changed or deleted shows as a difference.
"""

from dataclasses import dataclass

import asyncpg
from servicecert_schemas.responder import ResponderCertified
from servicecert_worker.storage import columns

from ..storage import QUERIES


@dataclass(frozen=True, slots=True)
class Signatures:
    """What a CA signed for the revoker: certificates of responders, open ones, and the CRLs of passes that ended."""

    issuer: str
    responders: int
    open: int
    crls: int


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A difference: its stable code (`what`), its key, and the rest of a sentence that begins with the key."""

    what: str
    key: str
    words: str


async def count_signatures(connection: asyncpg.Connection) -> list[Signatures]:
    return [Signatures(**dict(row)) for row in await connection.fetch(QUERIES["count_signatures"])]


async def discrepancies(connection: asyncpg.Connection) -> list[Discrepancy]:
    """Return all differences in the tables and with the audit. Call it in a snapshot transaction."""
    return [
        Discrepancy(**dict(row))
        for statement in ("reconcile", "reconcile_audit")
        for row in await connection.fetch(QUERIES[statement])
    ]


class PublishedResponders:
    """The responders' certificates on their topic, compared with the books."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], ResponderCertified] = {}

    def add(self, event: ResponderCertified) -> None:
        """Add an event; it may be added more than once."""
        self._told[event.issuer, event.fingerprint] = event

    async def discrepancies(self, connection: asyncpg.Connection) -> list[Discrepancy]:
        """Return the certificates that no book has. Those from before the books are left out: they have expired."""
        told = [(it.issuer, it.serial, it.fingerprint, it.not_after) for it in self._told.values()]
        rows = await connection.fetch(QUERIES["unbooked"], *columns(told, 4))
        words = "is published as a responder's certificate, and is not in the books"
        return [Discrepancy("not-booked", f"{row['issuer']}/{row['serial']}", words) for row in rows]
