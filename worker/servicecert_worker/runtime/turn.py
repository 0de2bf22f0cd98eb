"""A turn: a batch of items, decided and stored in one transaction.

It takes the keys' advisory locks first, in the order of their hashes; everything else is by key and comes after. So two
turns that share a key, or an event, wait for each other and never deadlock. A secret
of the schema is hashed into the locks' numbers, so that no other login can guess one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Generic, TypeVar

from asyncpg import Pool, PostgresError
from servicecert_schemas.event import is_canary
from servicecert_schemas.topics import TOPIC_OF

from ..audit.chain import Chain, Head
from ..core.clock import ClockGuard, steady_clock
from ..core.crash_points import crash_point
from ..core.decider import Connection, Due, Happened, Result, Service, Stored, Task
from ..core.fold import Decided, DecidedEvent, Folded, Item, LateResult, TurnResult, fold
from ..core.record import Arrival, Poison
from ..core.signatures import Signer
from ..storage import QUERIES
from .parking import MOST_KEPT, park

S = TypeVar("S")
K = TypeVar("K")


@dataclass(eq=False)
class Turns(Generic[S, K]):
    """Takes turns for a service, signs what they publish (F2), and writes each to the audit chain.

    The `guard` compares the clocks in each turn, before anything is decided (F6).
    """

    service: Service[S, K]
    pool: Pool
    chain: Chain
    signer: Signer
    parked_most: int = MOST_KEPT
    guard: ClockGuard | None = None
    _salt: bytes = field(default=b"", init=False)

    async def take(self, items: Sequence[Item], known: K, now: datetime, owner: int, wake: str) -> TurnResult:
        """Handle the items in one transaction. `owner` is new intents' owner, `wake` the channel that wakes the relay.

        Raises database errors, `Conflict`, `Transient` such as ClockWrong, and `Stuck` for a result or deadline that
        `decide` raises at.
        """
        async with self.pool.acquire() as connection:
            keys = sorted({item.key for item in items})
            await self._begin(connection, keys)
            try:
                outcome, head = await self._decide(connection, items, keys, known, now, owner, wake)
                # Until the commit is confirmed, the chain's end is unknown.
                self.chain.head = None
                await connection.execute("commit")
                # Terminated meanwhile, it was one to a database in whose place there is another.
                self.chain.head = None if connection.is_closed() else head
            except BaseException:
                await _roll_back(connection)
                raise
        crash_point("committed")
        return outcome

    async def _begin(self, connection: Connection, keys: Sequence[str]) -> None:
        """Begin the transaction and lock the keys, in the locks' order, in one round trip.

        Every later statement sees what the previous turn on one of the keys committed.
        """
        self._salt = self._salt or await read_salt(connection)
        locks = ",".join(map(str, sorted(lock_of(self._salt, f"key/{key}") for key in keys)))
        taken = f"select pg_advisory_xact_lock(lock) from unnest('{{{locks}}}'::bigint[]) as lock"  # noqa: S608  -- numbers
        crash_point("begun")
        await connection.execute(f"begin; set local servicecert.turn = 'on'; {taken}")
        crash_point("locked")

    async def _decide(
        self,
        connection: Connection,
        items: Sequence[Item],
        keys: Sequence[str],
        known: K,
        now: datetime,
        owner: int,
        wake: str,
    ) -> tuple[TurnResult, Head | None]:
        """Decide and write. Return the turn's result, and the audit chain's head once it is committed."""
        asked = steady_clock()
        current, parked, there = await _claim(connection, items, keys)
        if self.guard is not None:
            self.guard.compare(asked, there)
        crash_point("claimed")
        claimed = {item.id for item in current}
        unclaimed = [item for item in items if isinstance(item, Result) and item.id not in claimed]
        if not current and not unclaimed:
            return TurnResult((), owner, frozenset(item.id for item in items), (), ()), self.chain.head
        stored = {entry.key: entry for entry in await self.service.tables.store.load(connection, keys)}
        if self.service.tables.prepare is not None:
            happened = [what for item in current if not isinstance(what := _what(item), Poison)]
            known = await self.service.tables.prepare(connection, happened, stored, known)
        crash_point("loaded")
        folded = fold(self.service.rules.decide, current, stored, parked, known, now, self.service.name)
        late = self._late_results(unclaimed, stored)
        folded.decided += [Decided(each.result, late_code=each.code) for each in late]
        crash_point("decided")
        if folded.changed:
            await self.service.tables.store.save(connection, folded.changed)
        crash_point("saved")
        head = await self._write(connection, folded, now, owner, wake) if folded.decided else self.chain.head
        crash_point("written")
        outcome = TurnResult(
            tasks=tuple(
                Task(each.id, each.key, each.intent.kind, each.intent.data, now, each.traceparent)
                for each in folded.intended
            ),
            owner=owner,
            repeated=frozenset(item.id for item in items) - claimed,
            parked=tuple(folded.parked),
            published=tuple(event.type for event in folded.published),
            late_results=late,
            stages=self._stages(folded, stored),
            decided=tuple(folded.decided),
        )
        return outcome, head

    def _stages(self, folded: Folded[S], stored: Mapping[str, Stored[S]]) -> tuple[tuple[str, float], ...]:
        before = {key: entry.state for key, entry in stored.items()}
        changed = (each for each in folded.changed if not is_canary(each.key))
        return tuple(stage for each in changed for stage in self.service.rules.stages(before.get(each.key), each.state))

    def _late_results(self, unclaimed: Sequence[Result], stored: Mapping[str, Stored[S]]) -> tuple[LateResult, ...]:
        found = []
        for result in unclaimed:
            state = entry.state if (entry := stored.get(result.key)) else None
            if (code := self.service.rules.late_result_code(state, result)) is not None:
                found.append(LateResult(result, code))
        return tuple(found)

    async def _write(self, connection: Connection, folded: Folded[S], now: datetime, owner: int, wake: str) -> Head:
        rows = await self.chain.rows(connection, folded.decided, now)
        try:
            await connection.execute(
                QUERIES["write"],
                now,
                owner,
                wake if folded.published else "",
                self.chain.id,
                [self._outbox_row(event, now) for event in folded.published],
                [(it.id, it.key, it.intent.kind, it.payload, it.traceparent) for it in folded.intended],
                [(it.id, it.key, it.kind, it.at, it.traceparent) for it in folded.deadlines.values()],
                [(row.seq, row.key, row.entry, row.hash, row.salt) for row in rows],
            )
        except PostgresError as error:
            raise self.chain.write_error(error) from error
        if folded.parked:
            await park(connection, self.service, folded.parked, now, self.parked_most, self.signer)
        return Head(rows[-1].seq, rows[-1].hash)

    def _outbox_row(self, event: DecidedEvent, now: datetime) -> tuple[object, ...]:
        topic, key = TOPIC_OF[event.data.TYPE].name, event.data.key()
        signature = self.signer.sign(topic, key, event.id, event.type, event.payload, now, event.traceparent)
        return topic, key, event.id, event.type, event.traceparent, event.payload, signature


def _what(item: Item) -> Happened | Poison:
    return item.what if isinstance(item, Arrival) else item


async def _claim(
    connection: Connection, items: Sequence[Item], keys: Sequence[str]
) -> tuple[list[Item], dict[str, int], datetime]:
    """Return the items to decide (each is claimed once), by key the place of its first parked record, and the time."""
    parked = [item.parked for item in items if isinstance(item, Arrival) and item.parked is not None]
    rows = await connection.fetch(
        QUERIES["claim"],
        [item.id for item in items if isinstance(item, Result)],
        [item.id for item in items if isinstance(item, Due)],
        [row.seq for row in parked],
        [row.attempts for row in parked],
        [item.id for item in items if isinstance(item, Arrival) and item.parked is None],
        keys,
        [item.id for item in items if isinstance(item, Arrival) and item.parked is not None],
    )
    claimed = {row["claimed"] for row in rows if row["claimed"] is not None}
    current: list[Item] = []
    for item in items:
        if item.id in claimed:
            claimed.discard(item.id)
            current.append(item)
    return current, {row["key"]: row["first"] for row in rows if row["key"] is not None}, rows[-1]["now"]


async def _roll_back(connection: Connection) -> None:
    """Roll back. If the connection cannot, it is broken: it is terminated, and the server rolls back."""
    try:
        await connection.execute("rollback")
    except Exception:
        connection.terminate()


async def read_salt(connection: Connection) -> bytes:
    """Return the secret of the schema. Only the service's own role may read it."""
    salt: bytes = await connection.fetchval("select salt from lock_salt")
    return salt


def lock_of(salt: bytes, name: str) -> int:
    """Return the number of a lock, a signed 64-bit hash: the SQL function `lock_of` returns the same."""
    return int.from_bytes(sha256(salt + name.encode()).digest()[:8], signed=True)
