"""Acts on the certificates of a key, which they lock as turns do (D6): what happens meanwhile is seen here or there.

One finds the others of a compromised key, and so sees what every earlier turn stored. One logs an alarm about an event
of a certificate, and stores a second certificate of a case (F2).
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
from servicecert_worker.core.decider import Done, Outcome, Task
from servicecert_worker.observe.logs import about

from ..domain.authority_requests import CONFIRMATION_CLOCK, FIRST_CHECK, CascadeFound, CascadeOrder, Item
from ..domain.certificates import Certificate, Irregular, Noted, second_key
from ..storage import QUERIES
from ..storage.prepare import lock_keys
from ..storage.store import certificate_columns

log = logging.getLogger(__name__)

_RATE = 600


@dataclass(frozen=True, slots=True)
class Cascade:
    """Finds a key's certificates. Beyond `most` it stores one proposal for an operator to confirm, with its clock.

    It stores the key if nothing else has, as for an expired certificate.
    """

    pool: "asyncpg.Pool"
    most: int
    clock: Callable[[], datetime]

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for task in tasks:
            with about(task):
                outcomes.append(Done(await self._search(task.data, task.key)))
        return outcomes

    async def _search(self, order: CascadeOrder, source: str) -> CascadeFound:
        key = order.key_sha256
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_keys(connection, [key])
            await connection.execute(QUERIES["keep_compromised"], key, source)
            rows = await connection.fetch(QUERIES["others"], key, self.clock(), self.most + 1)
            items = tuple(Item(UUID(row["case_id"]), row["account_id"], row["serial"]) for row in rows)
            result = CascadeFound.of(key, items, self.most)
            if not result.stopped or await connection.fetchval(QUERIES["cascade_is_proposed"], key):
                return result
            cases = [row["case_id"] for row in await connection.fetch(QUERIES["others"], key, self.clock(), None)]
            why = f"The key {key} is compromised, and more than {self.most} other certificates have it."
            await connection.execute(QUERIES["propose"], proposal := uuid4(), why, key, _RATE, cases)
            await connection.execute(QUERIES["start_confirmation_clock"], proposal, CONFIRMATION_CLOCK, FIRST_CHECK)
        log.error(
            "alarm: a compromised key has %d other certificates, too many to revoke without an operator: check them "
            "with `servicecert proposals show %s`, then confirm or drop the proposal",
            len(cases),
            proposal,
        )
        return result


@dataclass(frozen=True, slots=True)
class Irregularities:
    """Logs alarms about certificates. `counted` are those of this process, by code."""

    pool: "asyncpg.Pool"
    counted: Counter[str] = field(default_factory=Counter)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for task in tasks:
            with about(task):
                outcomes.append(Done(await self._note(task.data, task.key)))
        return outcomes

    async def _note(self, irregular: Irregular, case: str) -> Noted:
        second = irregular.second
        noted = Noted() if second is None else await self._keep(second, case)
        self.counted[irregular.code] += 1
        log.error(
            "alarm: an event of a certificate is not as it must be: %s",
            irregular.code,
            extra={
                "key": case,
                "issuer": irregular.issuer,
                "serial": irregular.serial,
                "fingerprint": irregular.fingerprint,
                "differ": ",".join(irregular.differ),
            },
        )
        return noted

    async def _keep(self, second: Certificate, case: str) -> Noted:
        async with self.pool.acquire() as connection, connection.transaction():
            await lock_keys(connection, [second.key_sha256])
            key = str(second_key(case, second.issuer, second.serial))
            await connection.execute(QUERIES["keep_second"], key, *certificate_columns(second))
            compromised = await connection.fetch(QUERIES["compromised"], [second.key_sha256])
        return Noted(second=second, compromised=bool(compromised))
