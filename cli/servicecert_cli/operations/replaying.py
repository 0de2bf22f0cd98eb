"""Replays a service's topics into its tables: after a restore, or into an empty database."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import asyncpg
from aiokafka.errors import KafkaError
from servicecert_schemas.event import Change
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.decider import Service
from servicecert_worker.core.faults import OperatorError, no_broker
from servicecert_worker.core.service_keys import read_key, read_public_keys
from servicecert_worker.core.signatures import Signer, Verifier
from servicecert_worker.kafka.fence import Fence
from servicecert_worker.kafka.reading import part_reader
from servicecert_worker.replay.agreement import drop_contradicting
from servicecert_worker.replay.replay import Replay, ReplayClock, Replayed
from servicecert_worker.runtime.settings import WorkerSettings
from servicecert_worker.runtime.turn import Turns
from servicecert_worker.storage import QUERIES, database, schema

from ..admin import groups
from ..connections import kafka
from ..connections.schema import explained
from .auditing import short_name
from .forgotten import Comparison, Forgotten
from .forgotten_audit import ForgottenAudit, forgotten_audit, put_on_record


class ServiceModule(Protocol):
    """The module of a service."""

    NAME: str
    Settings: Any
    MIGRATIONS: Any

    @property
    def open_service(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a service's tables have forgotten, and what a replay did about it, if it was to act.

    `is_open` is whether workers start on the tables now.
    """

    service: str
    forgotten: Forgotten
    audit: ForgottenAudit
    done: Replayed | None
    is_open: bool = True

    @property
    def forgets(self) -> bool:
        return bool(self.forgotten.records or self.forgotten.unknown or self.audit.checkpoints)

    @property
    def exit_code(self) -> int:
        """Return 1 where an operator has to do more than start the workers."""
        return int(self.done is not None and (not self.is_open or self.done.stuck > 0))

    def rows(self) -> list[tuple[str, int]]:
        """Return what is forgotten and done, in words, with the numbers."""
        rows = [(f"read: {topic}", number) for topic, number in sorted(self.forgotten.records.items())]
        rows += [(f"published: {short_name(type)}", number) for type, number in sorted(self.forgotten.unknown.items())]
        rows += [("checkpoints of the audit", len(self.audit.checkpoints))] if self.audit.checkpoints else []
        rows += [("rows of the audit, lost for ever", self.audit.rows)] if self.audit.rows else []
        if (done := self.done) is not None:
            rows += [("decided again", done.handled), ("parked again", done.parked)]
            rows += [(f"recalled: {kind}", number) for kind, number in sorted(done.recalled.items())]
            rows += [(f"left to the workers: {kind}", number) for kind, number in sorted(done.left.items())]
            rows += [
                (f"to be published: {short_name(type)}", number) for type, number in sorted(done.unpublished.items())
            ]
            rows += [("cannot be decided, and stay open", done.stuck)] if done.stuck else []
            rows += [
                (f"differs: {short_name(type)} of {key}", number)
                for (key, type), number in Counter((each.key, each.type) for each in done.differs).items()
            ]
        return rows

    def facts(self) -> Mapping[str, object]:
        """Return the same for programs."""
        return {
            "service": self.service,
            "records": self.forgotten.records,
            "published": self.forgotten.unknown,
            "checkpoints": len(self.audit.checkpoints),
            "audit_rows_lost": self.audit.rows,
            "workers_start": self.is_open,
            "done": self.done,
        }


async def run(
    module: ServiceModule, settings: WorkerSettings, *, act: bool, empty: bool = False, accept: bool = False
) -> Outcome:
    """Return what is forgotten, and with `act` decide it again. With `empty` the tables must have nothing yet.

    Workers start afterwards, but not where decisions differ from the published ones, unless with `accept`.

    Raises OperatorError, also while workers run.
    """
    cluster, name = settings.cluster, module.NAME
    await asyncio.to_thread(schema.check, settings.dsn, name, [module.MIGRATIONS])
    async with kafka.admin(cluster) as admin:
        await groups.require_stopped(admin, cluster, name)
    clock = ReplayClock()
    async with _alone(settings.dsn, name) as pool:
        if empty and await pool.fetchval("select exists (select from inbox)"):
            raise OperatorError(
                f"The tables of {name} are not empty: after a restore run `servicecert restore check {name}`.",
                os.EX_DATAERR,
            )
        async with _opened(module, pool, clock) as service:
            with explained(settings.dsn, name):
                try:
                    return await _replayed(service, settings, pool, clock, act=act, accept=accept)
                except KafkaError:
                    raise no_broker(cluster.bootstrap, cluster.access) from None


async def _replayed(
    service: Service[Any, Any],
    settings: WorkerSettings,
    pool: asyncpg.Pool[Any],
    clock: ReplayClock,
    *,
    act: bool,
    accept: bool,
) -> Outcome:
    cluster, name = settings.cluster, service.name
    keys = read_public_keys(settings.service_keys)
    verifier = Verifier(keys, cluster.prefix)
    async with part_reader(cluster) as reader:
        forgotten = await Comparison(service, cluster, verifier, pool).forgotten(reader)
    audit = await forgotten_audit(pool, cluster, name, keys)
    outcome = Outcome(name, forgotten, audit, None)
    if not act or not outcome.forgets:
        return outcome
    facts = {
        **service.oversight.audited,
        "replays": forgotten.records.total(),
        "accepts_differences": accept,
        **audit.facts,
    }
    chain = Chain(name, facts, os.urandom)
    await put_on_record(audit, chain, pool, clock())
    signer = Signer(name, read_key(settings.service_key_file, name))

    def turns(replayed: Service[Any, Any]) -> Turns[Any, Any]:
        return Turns(replayed, pool, chain, signer, settings.parked_most)

    changes: list[Change] = []
    for topic in service.snapshot.topics if service.snapshot else ():
        await kafka.read(cluster, topic, changes.append, verifier=verifier)
    known = None if service.snapshot is None else service.snapshot.apply(service.snapshot.empty, changes)
    replay = Replay(service, pool, turns, verifier, clock, known, forgotten.published, forgotten.expected)
    done = await replay.run(forgotten.partitions)
    is_open = accept or not done.differs
    if is_open:
        await drop_contradicting(pool, done.differs)
    # Only now: an interrupted replay leaves a database that no worker starts on. An empty one is noted to know nothing.
    ends = forgotten.ends if is_open else dict.fromkeys(forgotten.ends, 0)
    await Fence(cluster, service, verifier, timedelta(days=settings.inbox_days)).note(pool.execute, ends)
    return Outcome(name, forgotten, audit, done, is_open)


@asynccontextmanager
async def _alone(url: str, service: str) -> AsyncIterator[asyncpg.Pool[Any]]:
    """Open a pool, as the only one who leads the service: no worker publishes or adopts meanwhile."""
    pool = await database.open_pool(url, service)
    try:
        async with pool.acquire() as leading:
            if not await leading.fetchval(QUERIES["try_lock"], "leader"):
                raise OperatorError(
                    f"A worker of {service}, or another replay, is running: stop it. A killed one's session ends "
                    f"within {database.COMMAND_SECONDS:.0f} s, that of a lost host once PostgreSQL notices "
                    "(tcp_keepalives_idle).",
                    os.EX_TEMPFAIL,
                )
            yield pool
    finally:
        pool.terminate()


def _opened(
    module: ServiceModule, pool: asyncpg.Pool[Any], clock: ReplayClock
) -> AbstractAsyncContextManager[Service[Any, Any]]:
    """Open the service with its own settings and the replay's clock."""
    opening: AbstractAsyncContextManager[Service[Any, Any]] = module.open_service(module.Settings(), pool, clock)
    return opening
