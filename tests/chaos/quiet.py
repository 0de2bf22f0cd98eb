"""Waiting until a system has nothing left to do, whatever came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from aiokafka.errors import KafkaError
from servicecert_cli.connections import kafka
from servicecert_cli.faults import UserError
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import SERVICES
from servicecert_worker.faults import OperatorError
from servicecert_worker.kafka.lag import measure

from chaos.traffic import Traffic

LOOK_SECONDS = 0.4
PATIENCE_SECONDS = 100.0
"""How long nothing may change before the wait is given up: longer than the longest pause before an act is tried again."""

NO_CHECKPOINTS = "where topic <> 'audit-checkpoints'"
"""The audit has a checkpoint on its way at any time."""

_OPEN = (
    " union all ".join(
        f"select '{service}''s {table}', count(*) from {service}.{table} {where}"
        for service in SERVICES
        for table, where in (
            ("outbox", NO_CHECKPOINTS),
            ("intents", ""),
            ("parked", "where released"),
            ("deadlines", "where at < now() + interval '5 seconds'"),
        )
    )
    + " union all select 'mails to be tried again', count(*) from notifier.mails where state in ('planned', 'deferred')"
)

Open = Mapping[str, int]


@dataclass(frozen=True)
class Quiet:
    """Looks at what a system has still to do."""

    system: System
    traffic: Traffic | None = None

    async def wait(self, told: Callable[[Open], None] = lambda _: None, patience: float = PATIENCE_SECONDS) -> None:
        """Returns when nothing is open, twice in a row. Raises UserError with what is open where that has not changed for `patience` s."""
        before: Open = {}
        since, calm = time.monotonic(), 0
        while calm < 2:
            found = await self._look()
            told(found)
            if found != before:
                before, since = found, time.monotonic()
            calm = 0 if found else calm + 1
            if time.monotonic() - since > patience and found:
                shown = ", ".join(f"{number} in {what}" for what, number in found.items())
                raise UserError(f"it does not come to rest: for {patience:.0f} s there are open {shown}.")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> Open:
        try:
            return await self._open()
        except (
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            KafkaError,
            OperatorError,
        ) as away:
            return {f"what does not answer ({type(away).__name__})": 1}

    async def _open(self) -> Open:
        cluster = self.system.cluster
        connection = await asyncpg.connect(self.system.place.admin_url, timeout=5, command_timeout=10)
        try:
            found = {row[0]: row[1] for row in await connection.fetch(_OPEN)}
        finally:
            connection.terminate()
        async with kafka.admin(cluster) as admin, kafka.reader(cluster) as reader:
            for lag in await measure(admin, reader, cluster.prefix, SERVICES, datetime.now(UTC)):
                name = f"{lag.group}'s lag"
                found[name] = found.get(name, 0) + lag.messages
            if self.traffic is not None:
                ends = await reader.end_offsets(self.traffic.partitions)
                found["what the e-service has not heard"] = self.traffic.unheard(ends)
        return {what: number for what, number in found.items() if number}
