"""Finds the other certificates of a compromised key: an act, so that it sees what every earlier turn stored (D6).

It stores the key if nothing else has, as for an expired certificate, and locks it as turns do: a certificate that is
issued meanwhile is found here or by its own turn.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from servicecert_worker.core.decider import Done, Outcome, Task
from servicecert_worker.observe.logs import about

from ..domain.authority_requests import (
    CONFIRMATION_CLOCK,
    FIRST_CHECK,
    CascadeFound,
    CascadeOrder,
    Item,
)
from ..storage import QUERIES
from ..storage.prepare import lock_keys

log = logging.getLogger(__name__)

_RATE = 600


@dataclass(frozen=True, slots=True)
class Cascade:
    """The effect. Beyond `most` certificates it stores one proposal for an operator to confirm, with its clock."""

    pool: "asyncpg.Pool[Any]"
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
