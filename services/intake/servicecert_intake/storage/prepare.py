"""The table of all keys: read before an application is decided, and written with the decision (A4).

A turn records the keys of its pending requests before it decides, which locks their rows. So when two organisations
apply with one key at the same time, on any workers, the second sees the first one's acceptance.
"""

from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.serialization import load_der_public_key
from servicecert_pki.csr import public_key_info
from servicecert_pki.key_checks import KeyLists
from servicecert_pki.keys import PublicKey
from servicecert_pki.spki import KeyFamily
from servicecert_schemas.case import CaseState
from servicecert_schemas.revocation import KeyCompromised, RevocationReason
from servicecert_worker.core.clock import Clock
from servicecert_worker.core.decider import Conflict, Connection, Event, Happened, Stored

from ..domain.case import Case
from ..domain.examine import csr_of
from ..domain.knowledge import Counted, Knowledge, Limits, Load, counted, loads
from ..domain.rules.application import Blocked, JudgedCsr, KeyRecord
from . import QUERIES

KEPT = timedelta(days=7)
"""How long the counts of an account's events are kept: an outage of intake can last so long."""


async def prepare(
    limits: Limits,
    lists: KeyLists,
    clock: Clock,
    connection: Connection,
    happened: Sequence[Happened],
    stored: Mapping[str, Stored[Case]],
    known: Knowledge,
) -> Knowledge:
    """Return the known facts, with what the tables hold on the accounts and keys of this turn's events.

    Keys reported as compromised are blocked first, so that they are refused in the same turn (D6). Those of cases that
    wait are looked up in `lists`, which may be newer than their requests (A10).
    """
    now = clock()
    events = [each for each in happened if isinstance(each, Event)]
    if items := list(counted(events, frozenset(stored), known.accounts, now)):
        known = replace(known, loads=await _count(connection, items, limits, now), limits=limits)
    if keys := sorted({each.data.key_sha256 for each in events if isinstance(each.data, KeyCompromised)}):
        await connection.execute(QUERIES["keep_keys"], keys, [None] * len(keys), [Blocked.COMPROMISED] * len(keys))
    seen = {key: spki for csr in _pending(happened, stored) for key, spki in _key_of(csr)}
    if not seen:
        return known
    order = sorted(seen)
    rows = await connection.fetch(QUERIES["see_keys"], order, [seen[key] for key in order])
    records = {
        row["key_sha256"]: KeyRecord(row["business_id"], None if row["blocked"] is None else Blocked(row["blocked"]))
        for row in rows
    }
    for csr in _waiting(stored) if lists.lists else ():
        if csr.key is not None and (listed := _listed(lists, csr)) is not None:
            records[csr.key.sha256] = replace(records[csr.key.sha256], blocked=listed)
    return replace(known, keys=records)


def _listed(lists: KeyLists, csr: JudgedCsr) -> Blocked | None:
    if csr.der is None:
        return None
    key = load_der_public_key(public_key_info(b64decode(csr.der)))
    assert isinstance(key, PublicKey)
    faults = lists.faults(key)
    return Blocked(faults[0].code.removeprefix("key-")) if faults else None


async def _count(
    connection: Connection, items: Sequence[Counted], limits: Limits, now: datetime
) -> Mapping[UUID, Load]:
    """Count the events of accounts, and return the load that each comes to.

    Turns of other workers that are not committed yet do not count: each can exceed a limit by one turn.
    """
    numbers = sorted(Counter((each.account, each.hour) for each in items).items())
    opening = {each.account for each in items if each.opens}
    rows = await connection.fetch(
        QUERIES["count_events"],
        [account for (account, _), _ in numbers],
        [hour for (_, hour), _ in numbers],
        [number for _, number in numbers],
        [account in opening for (account, _), _ in numbers],
        limits.unfinished,
        now - KEPT,
    )
    before = {(row["account_id"], row["hour"]): Load(row["hour"], row["events"], row["unfinished"]) for row in rows}
    return loads(items, before)


async def record_keys(connection: Connection, changed: Sequence[Stored[Case]]) -> None:
    """Record the owner of each accepted request's key, and block compromised keys (D6).

    Raise `Conflict` where this turn accepts one key for two organisations, or a key that it blocks: decided one by
    one, the second is returned.
    """
    owners: dict[str, str | None] = {}
    exposed: set[str] = set()
    for case in (each.state for each in changed):
        if case.key is None or case.grant is None:
            continue
        key, owner = case.key.sha256, case.grant.subject.business_id
        if case.state is CaseState.ACCEPTED and owners.setdefault(key, owner) != owner:
            raise Conflict("One turn accepted one key for two organisations.")
        if case.revocation is not None and case.revocation.reason is RevocationReason.KEY_EXPOSED:
            exposed.add(key)
    if exposed & owners.keys():
        raise Conflict("One turn accepted a key and blocked it.")
    if keys := sorted(owners.keys() | exposed):
        blocked = [Blocked.COMPROMISED if key in exposed else None for key in keys]
        await connection.execute(QUERIES["keep_keys"], keys, [owners.get(key) for key in keys], blocked)


def _pending(happened: Iterable[Happened], stored: Mapping[str, Stored[Case]]) -> Iterator[JudgedCsr]:
    """Yield the requests of this turn's events, and those of its cases that are not accepted yet."""
    for each in happened:
        if isinstance(each, Event) and (csr := csr_of(each)) is not None:
            yield csr
    yield from _waiting(stored)


def _waiting(stored: Mapping[str, Stored[Case]]) -> Iterator[JudgedCsr]:
    for entry in stored.values():
        if entry.state.csr is not None:
            yield entry.state.csr
        yield from (waiting.csr for waiting in entry.state.waiting if waiting.csr is not None)


def _key_of(csr: JudgedCsr) -> Iterator[tuple[str, bytes | None]]:
    if csr.key is not None and csr.der is not None:
        yield csr.key.sha256, public_key_info(b64decode(csr.der)) if csr.key.family == KeyFamily.RSA else None
