"""Verify a service's audit: rows against chains, chains against checkpoints, checkpoints against the export (B6)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from ..core.service_keys import TrustedKey
from .chain import FIRST, Head, line, row_hash
from .checkpoints import Checkpoint, Signed, fingerprint, trusted

_ROWS = 2_000
_PATIENCE = 3_600.0
_UNSENT = "select number from checkpoints_to_publish"
_CHAINS = """
select chain, attested, whole, last
from audit_chains right join (select chain, max(seq) as last from audit group by chain) as kept using (chain) order by 1
"""
_MAX_CLASSIFIED = 100


class Kind(StrEnum):
    """The kinds of findings."""

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
    """Something that is wrong, in a sentence, and where: a chain, and the number of a row or of a checkpoint."""

    kind: Kind
    text: str
    chain: UUID | None = None
    number: int | None = None


@dataclass(slots=True)
class Verified:
    """What was verified, and what is wrong. `attested` counts the rows that a signed checkpoint covers."""

    rows: int = 0
    chains: int = 0
    checkpoints: int = 0
    attested: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, kind: Kind, text: str, chain: UUID | None = None, number: int | None = None) -> None:
        self.findings.append(Finding(kind, text, chain, number))


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    at: datetime
    key: str
    entry: str
    hash: bytes


async def verify(
    connection: asyncpg.Connection,
    service: str,
    keys: Mapping[str, TrustedKey],
    exported: Sequence[Signed] | None,
    progress: Callable[[int], None] = lambda _: None,
    later: Callable[[], Awaitable[Sequence[Signed]]] | None = None,
) -> Verified:
    """Verify everything, in one database snapshot. Memory use: some 200 bytes for each head in a checkpoint.

    `keys` are the trusted ones, by id. `exported` holds the service's checkpoints of `Exported`; None skips that check.
    `later` reads the topic again, for newer checkpoints; without it `exported` is a file, which does not have them.
    """
    verified = Verified()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # A large table takes long to read, and so does the computation between two fetches.
        await connection.execute("set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0")
        rows = await connection.fetch("select number, body, key_id, signature from audit_checkpoints order by number")
        stored = [Signed(row["number"], row["body"], row["key_id"], row["signature"]) for row in rows]
        unsent = {row["number"] for row in await connection.fetch(_UNSENT)}
        checkpoints = verify_checkpoints(verified, service, keys, stored)
        if exported is not None:
            checkpoints += _compare_exported(verified, service, keys, stored, exported)
            await _find_unexported(verified, stored, exported, unsent, later)
        await _find_kept_back(verified, connection, [*stored, *(exported or ())])
        attested: dict[UUID, dict[int, bytes]] = {}
        for checkpoint in checkpoints:
            for chain, head in checkpoint.heads.items():
                attested.setdefault(chain, {}).setdefault(head.seq, head.hash)
        async for chain, links in _chains(connection, progress):
            await _verify_chain(verified, service, chain, links, attested.pop(chain, {}))
    for chain, heads in attested.items():
        verified.add(Kind.CUT, f"all rows up to {max(heads)} are missing, though a checkpoint attests them", chain)
    return verified


def verify_checkpoints(
    verified: Verified,
    service: str,
    keys: Mapping[str, TrustedKey],
    stored: Iterable[Signed],
    before: Signed | None = None,
) -> list[Checkpoint]:
    """Return the stored checkpoints whose signatures are valid; each must follow the previous one, the first `before`.

    Without `before` the first one is to be the service's first.
    """
    good: list[Checkpoint] = []
    number, previous = (1, "") if before is None else (before.number + 1, fingerprint(before.text))
    for each in stored:
        verified.checkpoints += 1
        if each.number != number:
            verified.add(Kind.BAD_CHECKPOINT, f"checkpoints {number} to {each.number - 1} are missing", None, number)
        elif not _follows(each, previous):
            verified.add(Kind.BAD_CHECKPOINT, "it does not follow the previous checkpoint", None, each.number)
        if (checkpoint := _signed(verified, service, keys, each)) is not None:
            good.append(checkpoint)
        number, previous = each.number + 1, fingerprint(each.text)
    return good


def _follows(each: Signed, previous: str) -> bool:
    """Return whether a checkpoint, signed or not, refers to the previous one; of a text that is none nobody knows."""
    try:
        return Checkpoint.read(each.text).previous == previous
    except ValueError:
        return True


def _signed(verified: Verified, service: str, keys: Mapping[str, TrustedKey], each: Signed) -> Checkpoint | None:
    """Return a checkpoint that may be trusted; otherwise add a finding and return None."""
    read = trusted(service, keys, each)
    if isinstance(read, Checkpoint):
        return read
    verified.add(Kind.BAD_CHECKPOINT if read.signed else Kind.BAD_SIGNATURE, read.text, None, each.number)
    return None


def _compare_exported(
    verified: Verified,
    service: str,
    keys: Mapping[str, TrustedKey],
    stored: Sequence[Signed],
    exported: Sequence[Signed],
) -> list[Checkpoint]:
    """Compare the exported checkpoints with the stored ones. Return those only in the export: their heads count too."""
    stored_texts = {each.number: each.text for each in stored}
    exported_texts: dict[int, str] = {}
    only_exported: list[Checkpoint] = []
    for each in exported:
        text = stored_texts.get(each.number)
        if exported_texts.setdefault(each.number, each.text) != each.text:
            verified.add(Kind.BAD_CHECKPOINT, "two different ones were exported under this number", None, each.number)
        elif text != each.text and (checkpoint := _signed(verified, service, keys, each)) is not None:
            finding = "it was exported and is no longer stored" if text is None else "another was exported"
            verified.add(Kind.BAD_CHECKPOINT, finding, None, each.number)
            only_exported.append(checkpoint)
    return only_exported


async def _find_unexported(
    verified: Verified,
    stored: Sequence[Signed],
    exported: Sequence[Signed],
    unsent: set[int],
    later: Callable[[], Awaitable[Sequence[Signed]]] | None,
) -> None:
    numbers = {each.number for each in exported}
    missing = {each.number for each in stored} - numbers - unsent
    if later is None:
        missing = {number for number in missing if number <= max(numbers, default=0)}
    elif missing:
        missing -= {each.number for each in await later()}
    for number in sorted(missing):
        verified.add(Kind.NOT_EXPORTED, "it is not in the topic audit-checkpoints", None, number)


async def _find_kept_back(verified: Verified, connection: asyncpg.Connection, checkpoints: Iterable[Signed]) -> None:
    """Find chains that the next checkpoint would skip: `attested` in the database decides which chains it names."""
    attested: dict[UUID, int] = {}
    for each in checkpoints:
        try:
            heads = Checkpoint.read(each.text).heads
        except ValueError:
            continue
        for chain, head in heads.items():
            attested[chain] = max(attested.get(chain, 0), head.seq)
    for row in await connection.fetch(_CHAINS, timeout=_PATIENCE):
        last = attested.get(row["chain"], 0)
        if row["attested"] is None:
            verified.add(Kind.KEPT_BACK, "the next checkpoint would skip it: it is not in audit_chains", row["chain"])
        elif row["attested"] > last:
            text = f"rows up to {row['attested']} are marked as attested, but no checkpoint names them"
            verified.add(Kind.KEPT_BACK, text, row["chain"], last + 1)
        elif row["whole"] and 0 < row["attested"] < row["last"]:
            text = "the next checkpoint would skip it: it is marked as whole, but has rows that are not attested"
            verified.add(Kind.KEPT_BACK, text, row["chain"], row["attested"] + 1)


async def _chains(
    connection: asyncpg.Connection, progress: Callable[[int], None]
) -> AsyncIterator[tuple[UUID, AsyncIterator[_Row]]]:
    """Yield each chain with its rows in order; rows are fetched as they are consumed."""
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


async def _verify_chain(
    verified: Verified, service: str, chain: UUID, rows: AsyncIterator[_Row], attested: Mapping[int, bytes]
) -> None:
    """Recompute a chain. A wrong row is reported once: later rows are checked against its stored hash."""
    verified.chains += 1
    head: Head | None = Head(0, FIRST)
    last = 0
    wrong: list[tuple[_Row, bytes]] = []
    async for row in rows:
        verified.rows += 1
        if row.seq != last + 1:
            missing = f"row {last + 1} is" if row.seq == last + 2 else f"rows {last + 1} to {row.seq - 1} are"
            verified.add(Kind.MISSING, f"{missing} missing", chain, last + 1)
            head = None
        if (
            head is not None
            and row_hash(head.hash, line(service, chain, row.seq, row.at, row.key, row.entry)) != row.hash
        ):
            if len(wrong) < _MAX_CLASSIFIED:
                wrong.append((row, head.hash))
            else:
                verified.add(Kind.CHANGED, "its content or its hash was changed", chain, row.seq)
        elif attested.get(row.seq, row.hash) != row.hash:
            verified.add(Kind.FORGED, "it is not the row that a checkpoint attests", chain, row.seq)
        if row.seq == 1 and not row.entry.startswith('{"begun":'):
            verified.add(Kind.UNKNOWN_CHAIN, "its first row is not a worker's first row", chain, 1)
        last, head = row.seq, Head(row.seq, row.hash)
    if cut := [seq for seq in attested if seq > last]:
        text = f"rows {last + 1} to {max(cut)} are missing, though a checkpoint attests them"
        verified.add(Kind.CUT, text, chain, last + 1)
    verified.attested += max((seq for seq in attested if seq <= last), default=0)
    _classify_changed(verified, service, chain, wrong)


def _classify_changed(verified: Verified, service: str, chain: UUID, wrong: Sequence[tuple[_Row, bytes]]) -> None:
    """Report which wrong rows were reordered and which were changed. A row that only follows a wrong one is right."""
    before = {row.seq: hash for row, hash in wrong}
    hashes = {row.hash for row, _ in wrong}

    def fits(row: _Row, seq: int, previous: bytes) -> bool:
        return row_hash(previous, line(service, chain, seq, row.at, row.key, row.entry)) == row.hash

    for row, _ in wrong:
        if any(fits(row, row.seq, hash) for hash in hashes):
            continue
        if any(fits(row, seq, hash) for seq, previous in before.items() for hash in (previous, *hashes)):
            verified.add(Kind.REORDERED, "it was in another place", chain, row.seq)
        else:
            verified.add(Kind.CHANGED, "its content or its hash was changed", chain, row.seq)
