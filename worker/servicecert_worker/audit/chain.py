"""The audit chain: all decisions, in rows that cannot be changed, dropped or reordered unnoticed (B6).

Each worker process has a chain of its own, and keeps its head in memory, so workers never wait for each other. A row is
written in the transaction that it describes. The checkpoints (see `checkpoints`) join the chains and sign their heads.

    hash = SHA-256(hash of the row before, 32 zero octets for the first || line)
    line = ["<service>","<chain>",<seq>,"<at>","<key>",<entry>]        JSON, in UTF-8, as `line` writes it

An entry refers to events, intents and results by id and by SHA-256(salt || content), and repeats the `AUDITED` fields
of their types, none of them personal. Without its salt a digest reveals nothing, so deleting the salt erases (E3).
"""

import json
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from pydantic import BaseModel
from pydantic_core import to_json

from ..core.decider import Conflict, Connection, Due, Event, Result, Transient
from ..core.faults import OperatorError
from ..core.fold import Decided, Item
from ..core.traces import is_case
from ..storage import QUERIES

log = logging.getLogger(__name__)

FIRST = bytes(32)
"""The previous hash of the first row."""

_UNWRITABLE = "The role of the service may not write its audit chain."
_SALT_BYTES = 16
_HEAD = "select seq, hash from audit where chain = $1 order by seq desc limit 1"


class Head(NamedTuple):
    """The end of a chain: its last row's number and hash."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a chain, with its hash."""

    seq: int
    key: str
    entry: str
    hash: bytes
    salt: bytes | None


class Unrecorded(Transient):
    """The audit chain cannot be written: nothing is decided until it can (B6)."""


def line(service: str, chain: UUID, seq: int, at: datetime, key: str, entry: str) -> bytes:
    """Return the content that a row's hash covers, besides the previous hash. `at` is in UTC, to the microsecond."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    return f'["{service}","{chain}",{seq},"{moment}",{json.dumps(key, ensure_ascii=False)},{entry}]'.encode()


def row_hash(before: bytes, content: bytes) -> bytes:
    """Return the hash of a row with this line, after a row with the hash `before`."""
    return sha256(before + content).digest()


def digest(salt: bytes, content: bytes) -> str:
    """Return the salted digest of a content that an entry does not repeat."""
    return sha256(salt + content).hexdigest()


def entry_of(decided: Decided, salt: bytes) -> str:
    """Return a row's entry for one item: what happened, and what was decided."""
    entry: dict[str, Any] = {"happened": _happened(decided.item, salt)}
    if decided.parked is not None:
        entry["parked"] = decided.parked
    if decided.late_code is not None:
        entry["belated"] = decided.late_code
    if decided.state is not None:
        entry["state"] = decided.state
    if decided.published:
        entry["events"] = [
            _reference("type", it.type, it.id, it.data, digest(salt, it.payload)) for it in decided.published
        ]
    if decided.intended:
        entry["intents"] = [
            _reference("kind", each.intent.kind, each.id, each.intent.data, digest(salt, each.payload))
            for each in decided.intended
        ]
    if decided.deadlines:
        entry["deadlines"] = [{"kind": each.kind, "at": each.at} for each in decided.deadlines]
    return to_json(entry).decode()


def _happened(item: Item, salt: bytes) -> dict[str, Any]:
    match item:
        case Result():
            content = item.data.model_dump_json().encode()
            return _reference("result", item.kind, item.id, item.data, digest(salt, content))
        case Due():
            return {"deadline": item.kind, "id": item.id, "due": item.at}
    record, what = item.record, item.what
    hexdigest = digest(salt, record.value or b"")
    reference = (
        _reference("event", what.data.TYPE, what.id, what.data, hexdigest)
        if isinstance(what, Event)
        else {"event": None, "id": what.id, "sha256": hexdigest}
    )
    return {**reference, "from": record.position}


def _reference(kind: str, name: str, identity: UUID, data: BaseModel, hexdigest: str) -> dict[str, Any]:
    audited: tuple[str, ...] = getattr(data, "AUDITED", ())
    facts = {name: getattr(data, name) for name in audited}
    reference = {kind: name, "id": identity, "sha256": hexdigest}
    return {**reference, "facts": facts} if facts else reference


def key_of(item: Item) -> str:
    """Return a row's key: the item's, or its position if it is not an event, because its key may be personal then."""
    if isinstance(item, Result | Due) or isinstance(item.what, Event) or is_case(item.key):
        return item.key
    return item.record.position


class Chain:
    """A worker's own chain. Call `begin` first; then, for each turn, `rows`, and set `head` after the commit.

    `head` is None while it is unknown whether the last turn was committed: the next turn reads it.
    """

    def __init__(self, service: str, facts: Mapping[str, object], random: Callable[[int], bytes]) -> None:
        self.id = UUID(int=0)
        self.head: Head | None = None
        self._service = service
        self._facts = facts
        self._random = random

    @property
    def begun(self) -> bool:
        return self.id.int != 0

    async def begin(self, pool: "asyncpg.Pool | Connection | asyncpg.Connection", now: datetime) -> None:
        """Begin a new chain with a row that describes this worker. Raises `Unrecorded`, and the database's errors."""
        chain = UUID(bytes=self._random(16), version=4)
        begun = {"begun": {"version": version("servicecert"), "host": socket.gethostname(), **self._facts}}
        row = self._seal(chain, Head(0, FIRST), now, "", to_json(begun).decode(), None)
        try:
            await pool.execute(QUERIES["begin_chain"], chain, row.seq, now, row.key, row.entry, row.hash)
        except asyncpg.InsufficientPrivilegeError as error:
            raise Unrecorded(_UNWRITABLE) from error
        self.id, self.head = chain, Head(row.seq, row.hash)

    async def rows(self, connection: Connection, decided: Sequence[Decided], now: datetime) -> list[Row]:
        """Return the rows of a turn, to be written in its transaction."""
        head = self.head or await self._read(connection)
        rows: list[Row] = []
        for each in decided:
            salt = self._random(_SALT_BYTES)
            row = self._seal(self.id, head, now, key_of(each.item), entry_of(each, salt), salt)
            rows.append(row)
            head = Head(row.seq, row.hash)
        return rows

    def write_error(self, error: asyncpg.PostgresError) -> Exception:
        """Return what a turn raises for a write error: an error of the chain is never blamed on a record."""
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            return Unrecorded(_UNWRITABLE)
        if error.table_name != "audit":
            return error
        if self.head is not None:
            fields = {"chain": str(self.id), "row": self.head.seq + 1}
            log.error(
                "Another writer added a row to this worker's audit chain: run `servicecert audit verify`", extra=fields
            )
        self.head = None
        return Conflict("the audit chain")

    async def require(self, connection: asyncpg.Connection) -> None:
        """Raise `OperatorError` if a database that took the place of another one lacks this chain."""
        if await connection.fetchrow(_HEAD, self.id) is None:
            raise OperatorError("The database that took over lacks this worker's audit chain: start it again.", 69)

    async def _read(self, connection: Connection) -> Head:
        row = await connection.fetchrow(_HEAD, self.id)
        if row is None:
            raise Unrecorded("The audit chain of this worker was deleted.")
        return Head(row["seq"], row["hash"])

    def _seal(self, chain: UUID, head: Head, at: datetime, key: str, entry: str, salt: bytes | None) -> Row:
        seq = head.seq + 1
        return Row(seq, key, entry, row_hash(head.hash, line(self._service, chain, seq, at, key, entry)), salt)
