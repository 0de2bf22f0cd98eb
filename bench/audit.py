"""The cost of the audit chain: turns of the toy service with it and almost without it, by one worker and by two.

Almost without it means one row for a turn instead of one for each event. The two are measured alternately, so that a
loaded machine slows both.
"""

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from statistics import median
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from servicecert_worker.audit.chain import Chain, Row
from servicecert_worker.audit.verification import verify
from servicecert_worker.core.decider import Connection, Event
from servicecert_worker.core.fold import Decided
from servicecert_worker.core.record import Arrival, Record
from servicecert_worker.core.signatures import Signer
from servicecert_worker.runtime.turn import Turns
from servicecert_worker.storage import database, schema

sys.path.insert(0, "tests")

from servicecert_schemas.application import ApplicationWithdrawn
from toy import service as toy
from toy.stand import ACTOR

from bench.results import keep
from bench.stand import connected, database_server, in_processes, scaled

TURNS, WARM_UP, BATCH, ROUNDS = 20, 5, 200, 3
NAMES = {1: "audit-turns", 2: "audit-two-workers"}
"""By the number of workers."""

_BYTES = "select pg_total_relation_size('audit')::float8 / count(*), avg(length(entry)) from audit"


class OneRow(Chain):
    """A chain that records a turn's first item only."""

    async def rows(self, connection: Connection, decided: Sequence[Decided], now: datetime) -> list[Row]:
        return await super().rows(connection, decided[:1], now)


async def measure(share: float) -> None:
    """Measure both alternately, store the medians, and print what a row takes."""
    rates: dict[tuple[type[Chain], int], list[float]] = {}
    with database_server() as server:
        (url,) = schema.prepare(server.url, {toy.NAME: database.new_password()}).values()
        schema.migrate(server.url, toy.NAME, [toy.MIGRATIONS])
        for _, workers, kind in product(range(ROUNDS), NAMES, (Chain, OneRow)):
            rate = sum(in_processes(workers, _work, url, kind, scaled(TURNS, share)))
            rates.setdefault((kind, workers), []).append(rate)
        async with connected(server.url) as connection:
            await connection.execute(f"set search_path = {toy.NAME}")
            ((row, entry),) = await connection.fetch(_BYTES)
            started = time.perf_counter()
            verified = await verify(connection, toy.NAME, {}, None)
            seconds = (time.perf_counter() - started) / verified.rows * 1_000_000
    for workers, name in NAMES.items():
        keep(name, median(rates[Chain, workers]), "events/s", "one row a turn", median(rates[OneRow, workers]))
    print(f"  a row: {row:.0f} bytes, indexes included; its entry {entry:.0f}; a million: {seconds:.0f} s to verify")


async def _work(url: str, kind: type[Chain], count: int) -> float:
    """Return the events a second that one worker decides."""
    pool = await database.open_pool(url, toy.NAME)
    now = datetime.now(UTC)
    chain = kind(toy.NAME, {}, os.urandom)
    await chain.begin(pool, now)
    turns = Turns(toy.toy(Path(os.devnull), 0), pool, chain, Signer(toy.NAME, Ed25519PrivateKey.generate()))
    started = 0.0
    for number in range(count + WARM_UP):
        if number == WARM_UP:
            started = time.perf_counter()
        await turns.take([_arrival(now) for _ in range(BATCH)], None, now, 0, "")
    rate = count * BATCH / (time.perf_counter() - started)
    pool.terminate()
    return rate


def _arrival(now: datetime) -> Arrival:
    data = ApplicationWithdrawn(case_id=uuid4(), actor=ACTOR, reason="1")
    record = Record("applications", 0, 0, data.key().encode(), (), data.model_dump_json().encode(), now)
    return Arrival(record, Event(uuid4(), data.key(), data, now))
