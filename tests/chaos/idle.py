"""Waits until a system has nothing left to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from aiokafka.errors import KafkaError
from servicecert_cli.admin.lag import LagMeter, read_by
from servicecert_cli.connections import kafka
from servicecert_cli.faults import UserError
from servicecert_cli.stand.system import System
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.faults import OperatorError

from chaos.traffic import Traffic

POLL_SECONDS = 0.4
BUSY_SECONDS = 5.0
"""The pause between looks at a large backlog: to count it takes the system's processors."""
BACKLOG = 5_000
PATIENCE_SECONDS = 100.0
"""Time without a change after which the wait ends: longer than the longest backoff of an effect."""

NO_CHECKPOINTS = "where topic <> 'audit-checkpoints'"
"""An audit checkpoint may be in the outbox at any time."""

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
class IdleCheck:
    """Checks for unfinished work of a system."""

    system: System
    traffic: Traffic | None = None

    async def wait(self, report: Callable[[Open], None] = lambda _: None, patience: float = PATIENCE_SECONDS) -> None:
        """Return when nothing is open, twice in a row. Raises UserError if open work stays equal for `patience` s."""
        previous: Open = {}
        since, idle = time.monotonic(), 0
        while idle < 2:
            open = await self._poll()
            report(open)
            if open != previous:
                previous, since = open, time.monotonic()
            idle = 0 if open else idle + 1
            if time.monotonic() - since > patience and open:
                shown = ", ".join(f"{number} in {what}" for what, number in open.items())
                raise UserError(f"no progress for {patience:.0f} s, still open: {shown}.")
            await asyncio.sleep(POLL_SECONDS if sum(open.values()) < BACKLOG else BUSY_SECONDS)

    async def _poll(self) -> Open:
        try:
            return await self._open()
        except (
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            KafkaError,
            OperatorError,
        ) as error:
            return {f"unavailable ({type(error).__name__})": 1}

    async def _open(self) -> Open:
        cluster = self.system.cluster
        connection = await asyncpg.connect(self.system.backends.admin_url, timeout=5, command_timeout=10)
        try:
            open = {row[0]: row[1] for row in await connection.fetch(_OPEN)}
        finally:
            connection.terminate()
        async with kafka.admin(cluster) as admin, kafka.reader(cluster) as reader:
            look = await LagMeter(admin, reader, cluster.prefix).look(read_by(SERVICES), datetime.now(UTC))
            for lag in look.lags:
                name = f"{lag.group}'s lag"
                open[name] = open.get(name, 0) + lag.messages
            if self.traffic is not None:
                ends = await reader.end_offsets(self.traffic.partitions)
                open["records unread by the e-service"] = self.traffic.unread(ends)
        return {what: number for what, number in open.items() if number}
