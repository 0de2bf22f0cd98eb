"""Search all RSA keys ever seen for shared primes, and block those: nightly, and by an operator's command."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

import asyncpg
from servicecert_pki.shared_primes import find_shared_primes, modulus_of
from servicecert_worker.core.decider import Connection, Done, Outcome, Task

from ..domain.rules.csr import Searched
from ..storage import QUERIES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """The number of keys searched, groups of keys (SHA-256) that share a prime, and the newly blocked keys."""

    searched: int
    groups: tuple[tuple[str, ...], ...]
    fresh: frozenset[str]

    @property
    def keys(self) -> list[str]:
        return [key for group in self.groups for key in group]


async def search(connection: "asyncpg.Connection | Connection") -> SharedKeys:
    """Search in a thread, and block the keys that share a prime. Cancelling takes seconds."""
    rows = await connection.fetch(QUERIES["rsa_keys"])
    stopped = Event()
    try:
        shared = await asyncio.to_thread(_search, [row["rsa_spki"] for row in rows], stopped)
    finally:
        stopped.set()
    groups = tuple(tuple(rows[place]["key_sha256"] for place in group) for group in shared)
    sharing = [key for group in groups for key in group]
    fresh = await connection.fetch(QUERIES["block_keys"], sharing) if sharing else []
    return SharedKeys(len(rows), groups, frozenset(row["key_sha256"] for row in fresh))


def _search(keys: Sequence[bytes], stopped: Event) -> list[tuple[int, ...]]:
    return find_shared_primes([modulus_of(key) for key in keys], keep_going=lambda: not stopped.is_set())


async def cases_of(connection: "asyncpg.Connection | Connection", keys: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the cases accepted with these keys: key, case, state."""
    return [
        (row["key_sha256"], row["case_id"], row["state"])
        for row in await connection.fetch(QUERIES["cases_of_keys"], keys)
    ]


@dataclass(frozen=True, slots=True)
class Search:
    """The nightly search. It can be repeated: blocked keys stay blocked."""

    pool: "asyncpg.Pool"

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        async with self.pool.acquire() as connection:
            result = await search(connection)
        if result.fresh:
            log.error(
                "Blocked %d keys that share a prime: see `servicecert keys shared-primes`, revoke their certificates",
                len(result.fresh),
                extra={"keys": sorted(result.fresh)[:20]},
            )
        return [Done(Searched(keys=result.searched, sharing=len(result.keys))) for _ in tasks]
