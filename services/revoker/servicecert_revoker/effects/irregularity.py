"""The act that logs an alarm about an event of a certificate, and stores a second certificate of a case (F2).

It locks the certificate's key as turns do, so a key that becomes compromised meanwhile finds the certificate (D6).
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from servicecert_worker.core.decider import Done, Outcome, Task
from servicecert_worker.observe.logs import about

from ..domain.certificates import Certificate, Irregular, Noted, second_key
from ..storage import QUERIES
from ..storage.prepare import lock_keys
from ..storage.store import certificate_columns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Irregularities:
    """The effect. `counted` are the alarms of this process, by code."""

    pool: "asyncpg.Pool[Any]"
    counted: Counter[str] = field(default_factory=Counter)

    async def __call__(self, tasks: Sequence[Task]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for task in tasks:
            with about(task):
                outcomes.append(Done(await self._note(task.data, task.key)))
        return outcomes

    async def alarms(self) -> Mapping[str, float]:
        return {code: float(count) for code, count in self.counted.items()}

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
