"""The audit chain: what was decided, in rows that nobody changes, drops or reorders unnoticed (B6).

Each worker has a chain of its own, from its start to its end: its turns follow one another, so the head is in memory, and workers never wait for one
another. A row is written in the transaction that it tells of. The checkpoints (see `checkpoints`) join the chains and sign their heads.

    hash = SHA-256(hash of the row before, 32 zero octets for the first || line)
    line = ["<service>","<chain>",<seq>,"<at>","<key>",<entry>]        JSON, in UTF-8, as `line` writes it

An entry refers to events, intents and results by id and by SHA-256(salt || content), and repeats those fields that their types name as `AUDITED`.
A person is in none of them. Without its salt a digest says nothing about what it was made of, so that taking the salt away erases (E3).
"""

from __future__ import annotations

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

from ..decider import Conflict, Connection, Due, Event, Result, Transient
from ..runtime.fold import Decided, Item
from ..storage import QUERIES

log = logging.getLogger(__name__)

FIRST = bytes(32)
"""What stands for the hash before the first row."""

_SALT_BYTES = 16


class Head(NamedTuple):
    """The end of a chain: its last row's number and hash."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a chain, sealed."""

    seq: int
    key: str
    entry: str
    hash: bytes
    salt: bytes | None


class Unrecorded(Transient):
    """The audit chain cannot be written, so nothing is decided until it can (B6)."""


def line(service: str, chain: UUID, seq: int, at: datetime, key: str, entry: str) -> bytes:
    """What a row's hash is made of, beside the hash before. `at` is told in UTC, to the microsecond."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    return f'["{service}","{chain}",{seq},"{moment}",{json.dumps(key, ensure_ascii=False)},{entry}]'.encode()


def sealed(before: bytes, content: bytes) -> bytes:
    """The hash of a row with that line after a row with that hash."""
    return sha256(before + content).digest()


def digest(salt: bytes, content: bytes) -> str:
    """What an entry says of a content that it does not repeat."""
    return sha256(salt + content).hexdigest()


def entry_of(decided: Decided, salt: bytes) -> str:
    """What a row says of one item: what happened, and what followed."""
    told: dict[str, Any] = {"happened": _happened(decided.item, salt)}
    if decided.parked is not None:
        told["parked"] = decided.parked
    if decided.belated is not None:
        told["belated"] = decided.belated
    if decided.state is not None:
        told["state"] = decided.state
    if decided.published:
        told["events"] = [
            _told("type", each.data.TYPE, each.id, each.data, digest(salt, each.payload)) for each in decided.published
        ]
    if decided.intended:
        told["intents"] = [
            _told("kind", each.intent.kind, each.id, each.intent.data, digest(salt, each.payload))
            for each in decided.intended
        ]
    if decided.deadlines:
        told["deadlines"] = [{"kind": each.kind, "at": each.at} for each in decided.deadlines]
    return to_json(told).decode()


def _happened(item: Item, salt: bytes) -> dict[str, Any]:
    match item:
        case Result():
            content = item.data.model_dump_json().encode()
            return _told("result", item.kind, item.id, item.data, digest(salt, content))
        case Due():
            return {"deadline": item.kind, "id": item.id, "due": item.at}
    record, what = item.record, item.what
    of = digest(salt, record.value or b"")
    told = (
        _told("event", what.data.TYPE, what.id, what.data, of)
        if isinstance(what, Event)
        else {"event": None, "id": what.id, "sha256": of}
    )
    return {**told, "from": f"{record.topic}/{record.partition}/{record.offset}"}


def _told(what: str, name: str, identity: UUID, data: BaseModel, of: str) -> dict[str, Any]:
    audited: tuple[str, ...] = getattr(data, "AUDITED", ())
    facts = {name: getattr(data, name) for name in audited}
    told = {what: name, "id": identity, "sha256": of}
    return {**told, "facts": facts} if facts else told


def is_case(key: str) -> bool:
    """Whether a key is a case's, and so names no person whatever record bore it."""
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False


def key_of(item: Item) -> str:
    """What a row is found by. A record that is no event may have any key, a person's name too: it is told by its place, unless its key is a case's."""
    if isinstance(item, Result | Due) or isinstance(item.what, Event) or is_case(item.key):
        return item.key
    return f"{item.record.topic}/{item.record.partition}/{item.record.offset}"


class Chain:
    """A worker's own chain. `begin` comes first; then, for each turn, `rows`, and `head` set to what came of it.

    `head` is None where it is unknown whether the last turn was committed: the next turn reads it.
    """

    def __init__(self, service: str, facts: Mapping[str, object], random: Callable[[int], bytes]) -> None:
        self.id = UUID(int=0)
        self.head: Head | None = None
        self._service = service
        self._facts = facts
        self._random = random

    @property
    def begun(self) -> bool:
        """Whether the chain has its first row."""
        return self.id.int != 0

    async def begin(self, pool: asyncpg.Pool[Any] | Connection | asyncpg.Connection[Any], now: datetime) -> None:
        """Begins a new chain with a row that tells what this worker is. Raises `Unrecorded`, and what the database raises."""
        chain = UUID(bytes=self._random(16), version=4)
        begun = {"begun": {"version": version("servicecert"), "host": socket.gethostname(), **self._facts}}
        row = self._sealed(chain, Head(0, FIRST), now, "", to_json(begun).decode(), None)
        try:
            await pool.execute(QUERIES["begin_chain"], chain, row.seq, now, row.key, row.entry, row.hash)
        except asyncpg.PostgresError as error:
            raise _unrecorded(error) from error
        self.id, self.head = chain, Head(row.seq, row.hash)

    async def rows(self, connection: Connection, decided: Sequence[Decided], now: datetime) -> list[Row]:
        """The rows of a turn, to be written in its transaction."""
        head = self.head or await self._read(connection)
        rows: list[Row] = []
        for each in decided:
            salt = self._random(_SALT_BYTES)
            row = self._sealed(self.id, head, now, key_of(each.item), entry_of(each, salt), salt)
            rows.append(row)
            head = Head(row.seq, row.hash)
        return rows

    async def note(self, connection: Connection | asyncpg.Connection[Any], key: str, entry: str, now: datetime) -> None:
        """Tells what a command did, in the transaction in which it does it."""
        assert self.head is not None
        row = self._sealed(self.id, self.head, now, key, entry, None)
        await connection.execute(
            "insert into audit (chain, seq, at, key, entry, hash) values ($1, $2, $3, $4, $5, $6)",
            self.id,
            row.seq,
            now,
            row.key,
            row.entry,
            row.hash,
        )
        self.head = Head(row.seq, row.hash)

    def refused(self, error: asyncpg.PostgresError) -> Exception:
        """What the turn fails with that could not write: the chain's own fault is never taken for a record's."""
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            return _unrecorded(error)
        if error.table_name != "audit":
            return error
        if self.head is not None:
            log.error(
                "Row %d of the audit chain %s is there already, written by somebody else", self.head.seq + 1, self.id
            )
        self.head = None
        return Conflict("the audit chain")

    async def _read(self, connection: Connection) -> Head:
        row = await connection.fetchrow(
            "select seq, hash from audit where chain = $1 order by seq desc limit 1", self.id
        )
        if row is None:
            raise Unrecorded("The audit chain of this worker is gone.")
        return Head(row["seq"], row["hash"])

    def _sealed(self, chain: UUID, head: Head, at: datetime, key: str, entry: str, salt: bytes | None) -> Row:
        seq = head.seq + 1
        return Row(seq, key, entry, sealed(head.hash, line(self._service, chain, seq, at, key, entry)), salt)


def _unrecorded(error: asyncpg.PostgresError) -> Exception:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return Unrecorded("The role of the service may not write its audit chain.")
    return error
