"""Whether a service's audit chains are what they were: rows against chains, chains against checkpoints, checkpoints against what was exported (B6)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
from servicecert_schemas.audit import AuditCheckpoint

from .chain import FIRST, Head, line, sealed
from .checkpoints import Checkpoint, TrustedKey, fingerprint, is_signed

_ROWS = 2_000
_PATIENCE = 3_600.0
_WAITING = """
select (convert_from(payload, 'utf8')::jsonb ->> 'number')::int as number from outbox where topic = 'audit-checkpoints'
"""
_KEPT = """
select chain, attested from audit_chains right join (select distinct chain from audit) as written using (chain) order by 1
"""
_MOST_SORTED_OUT = 100


class Kind(StrEnum):
    """What is wrong."""

    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    FORGED = "forged"
    CUT = "cut"
    UNKNOWN_CHAIN = "unknown-chain"
    BAD_CHECKPOINT = "bad-checkpoint"
    BAD_SIGNATURE = "bad-signature"
    NOT_EXPORTED = "not-exported"
    KEPT_BACK = "kept-back"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, where, and in a sentence. `chain` and `number` (of a row, or of a checkpoint) where they apply."""

    kind: Kind
    text: str
    chain: UUID | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it is stored or was exported."""

    number: int
    text: str
    key_id: str
    signature: bytes

    @classmethod
    def of(cls, event: AuditCheckpoint) -> Signed:
        return cls(event.number, event.text, event.key_id, b64decode(event.signature))


@dataclass(slots=True)
class Verified:
    """What was looked at, and what is wrong. `attested` counts the rows that a signed checkpoint vouches for."""

    rows: int = 0
    chains: int = 0
    checkpoints: int = 0
    attested: int = 0
    findings: list[Finding] = field(default_factory=list)

    def found(self, kind: Kind, text: str, chain: UUID | None = None, number: int | None = None) -> None:
        self.findings.append(Finding(kind, text, chain, number))


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    at: datetime
    key: str
    entry: str
    hash: bytes


async def verify(
    connection: asyncpg.Connection[Any],
    service: str,
    keys: Mapping[str, TrustedKey],
    exported: Sequence[Signed] | None,
    progress: Callable[[int], None] = lambda _: None,
    later: Callable[[], Awaitable[Sequence[Signed]]] | None = None,
) -> Verified:
    """Looks at everything, in one snapshot. `keys` are those that are trusted, by id; `exported` is what the topic held of this service before, None
    to leave that out. `later` answers what it holds by now, and is asked for what came meanwhile; without it what was kept ends where it ends.

    Memory grows with the checkpoints, by some 200 bytes for each head, and not with the rows.
    """
    verified = Verified()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # The whole of a large table takes its time, and so does what is computed between two of its parts.
        await connection.execute("set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0")
        rows = await connection.fetch("select number, body, key_id, signature from audit_checkpoints order by number")
        stored = [Signed(row["number"], row["body"], row["key_id"], row["signature"]) for row in rows]
        waiting = {row["number"] for row in await connection.fetch(_WAITING)}
        checkpoints = _checkpoints(verified, service, keys, stored)
        if exported is not None:
            checkpoints += _compared(verified, service, keys, stored, exported)
            await _find_unexported(verified, stored, exported, waiting, later)
        await _find_kept_back(verified, connection, [*stored, *(exported or ())])
        attested: dict[UUID, dict[int, bytes]] = {}
        for checkpoint in checkpoints:
            for chain, head in checkpoint.heads.items():
                attested.setdefault(chain, {}).setdefault(head.seq, head.hash)
        async for chain, links in _chains(connection, progress):
            await _follow(verified, service, chain, links, attested.pop(chain, {}))
    for chain, heads in attested.items():
        verified.found(Kind.CUT, f"all rows up to {max(heads)} are gone, which a checkpoint vouches for", chain)
    return verified


def _checkpoints(
    verified: Verified, service: str, keys: Mapping[str, TrustedKey], stored: Iterable[Signed]
) -> list[Checkpoint]:
    """The stored checkpoints whose signatures hold; each must follow the one before."""
    good: list[Checkpoint] = []
    number, previous = 1, ""
    for each in stored:
        verified.checkpoints += 1
        if each.number != number:
            verified.found(Kind.BAD_CHECKPOINT, f"checkpoints {number} to {each.number - 1} are missing", None, number)
        if (checkpoint := _signed(verified, service, keys, each)) is not None:
            if each.number == number and checkpoint.previous != previous:
                verified.found(Kind.BAD_CHECKPOINT, "it does not follow the one before", None, each.number)
            good.append(checkpoint)
        number, previous = each.number + 1, fingerprint(each.text)
    return good


def _signed(verified: Verified, service: str, keys: Mapping[str, TrustedKey], each: Signed) -> Checkpoint | None:
    trusted = keys.get(each.key_id)
    if trusted is None:
        verified.found(Kind.BAD_SIGNATURE, "no trusted key signed it", None, each.number)
        return None
    if service not in trusted.services:
        others = " and ".join(sorted(trusted.services))
        verified.found(Kind.BAD_SIGNATURE, f"the key of {others} signed it", None, each.number)
        return None
    if not is_signed(each.text, each.signature, trusted.key):
        verified.found(Kind.BAD_SIGNATURE, "the signature does not fit", None, each.number)
        return None
    checkpoint = Checkpoint.read(each.text)
    if (checkpoint.service, checkpoint.number) != (service, each.number):
        verified.found(Kind.BAD_CHECKPOINT, "it is signed for another place", None, each.number)
    return checkpoint


def _compared(
    verified: Verified,
    service: str,
    keys: Mapping[str, TrustedKey],
    stored: Sequence[Signed],
    exported: Sequence[Signed],
) -> list[Checkpoint]:
    """What was exported against what is stored. Answers the checkpoints that only the export has: their heads count too."""
    here = {each.number: each.text for each in stored}
    there: dict[int, str] = {}
    others: list[Checkpoint] = []
    for each in exported:
        if there.setdefault(each.number, each.text) != each.text:
            verified.found(Kind.BAD_CHECKPOINT, "two different ones were exported under this number", None, each.number)
        elif here.get(each.number) != each.text and (checkpoint := _signed(verified, service, keys, each)) is not None:
            gone = each.number not in here
            what = "it was exported and is no longer stored" if gone else "another was exported"
            verified.found(Kind.BAD_CHECKPOINT, what, None, each.number)
            others.append(checkpoint)
    return others


async def _find_unexported(
    verified: Verified,
    stored: Sequence[Signed],
    exported: Sequence[Signed],
    waiting: set[int],
    later: Callable[[], Awaitable[Sequence[Signed]]] | None,
) -> None:
    there = {each.number for each in exported}
    missing = {each.number for each in stored} - there - waiting
    if later is None:
        missing = {number for number in missing if number <= max(there, default=0)}
    elif missing:
        missing -= {each.number for each in await later()}
    for number in sorted(missing):
        verified.found(Kind.NOT_EXPORTED, "it never came to the topic audit-checkpoints", None, number)


async def _find_kept_back(
    verified: Verified, connection: asyncpg.Connection[Any], checkpoints: Iterable[Signed]
) -> None:
    """The next checkpoint names the chains that grew, by the database's own bookkeeping: whoever changes that keeps rows from ever being vouched for."""
    named: dict[UUID, int] = {}
    for each in checkpoints:
        try:
            heads = Checkpoint.read(each.text).heads
        except ValueError:
            continue
        for chain, head in heads.items():
            named[chain] = max(named.get(chain, 0), head.seq)
    for row in await connection.fetch(_KEPT, timeout=_PATIENCE):
        if row["attested"] is None:
            verified.found(Kind.KEPT_BACK, "it is not among the chains that the next checkpoint looks at", row["chain"])
        elif row["attested"] > named.get(row["chain"], 0):
            text = f"rows up to {row['attested']} pass for vouched for, and no checkpoint names them"
            verified.found(Kind.KEPT_BACK, text, row["chain"], named.get(row["chain"], 0) + 1)


async def _chains(
    connection: asyncpg.Connection[Any], progress: Callable[[int], None]
) -> AsyncIterator[tuple[UUID, AsyncIterator[_Row]]]:
    """Each chain with its rows in order; they are read while they are looked at."""
    chains = await connection.fetch(
        "select distinct chain from audit_chains union select chain from audit order by 1", timeout=_PATIENCE
    )
    done = 0

    async def rows(chain: UUID) -> AsyncIterator[_Row]:
        nonlocal done
        async for row in connection.cursor(
            "select seq, at, key, entry, hash from audit where chain = $1 order by seq", chain, prefetch=_ROWS
        ):
            done += 1
            if done % _ROWS == 0:
                progress(done)
            yield _Row(row["seq"], row["at"], row["key"], row["entry"], row["hash"])

    for record in chains:
        yield record["chain"], rows(record["chain"])


async def _follow(
    verified: Verified, service: str, chain: UUID, rows: AsyncIterator[_Row], attested: Mapping[int, bytes]
) -> None:
    """Recomputes a chain. A row whose hash does not fit is told once: what comes after it is held against the hash that stands there."""
    verified.chains += 1
    head: Head | None = Head(0, FIRST)
    last = 0
    wrong: list[tuple[_Row, bytes]] = []
    async for row in rows:
        verified.rows += 1
        if row.seq != last + 1:
            rows_gone = f"row {last + 1}" if row.seq == last + 2 else f"rows {last + 1} to {row.seq - 1}"
            verified.found(Kind.MISSING, f"{rows_gone} are gone", chain, last + 1)
            head = None
        if (
            head is not None
            and sealed(head.hash, line(service, chain, row.seq, row.at, row.key, row.entry)) != row.hash
        ):
            if len(wrong) < _MOST_SORTED_OUT:
                wrong.append((row, head.hash))
            else:
                verified.found(Kind.CHANGED, "its content or its hash is not what it was", chain, row.seq)
        elif attested.get(row.seq, row.hash) != row.hash:
            verified.found(Kind.FORGED, "it is not the row that a checkpoint vouches for", chain, row.seq)
        if row.seq == 1 and not row.entry.startswith('{"begun":'):
            verified.found(Kind.UNKNOWN_CHAIN, "it does not begin as a worker's chain begins", chain, 1)
        last, head = row.seq, Head(row.seq, row.hash)
    if gone := [seq for seq in attested if seq > last]:
        verified.found(
            Kind.CUT, f"rows {last + 1} to {max(gone)} are gone, which a checkpoint vouches for", chain, last + 1
        )
    verified.attested += max((seq for seq in attested if seq <= last), default=0)
    _sort_out(verified, service, chain, wrong)


def _sort_out(verified: Verified, service: str, chain: UUID, wrong: Sequence[tuple[_Row, bytes]]) -> None:
    """Which of the rows that do not fit stand in one another's place, and which have other content. One that only follows such a row is right."""
    before = {row.seq: hash for row, hash in wrong}
    hashes = {row.hash for row, _ in wrong}

    def fits(row: _Row, seq: int, previous: bytes) -> bool:
        return sealed(previous, line(service, chain, seq, row.at, row.key, row.entry)) == row.hash

    for row, _ in wrong:
        if any(fits(row, row.seq, hash) for hash in hashes):
            continue
        if any(fits(row, seq, hash) for seq, standing in before.items() for hash in (standing, *hashes)):
            verified.found(Kind.REORDERED, "it stood in another place", chain, row.seq)
        else:
            verified.found(Kind.CHANGED, "its content or its hash is not what it was", chain, row.seq)
