"""The cost of the audit chain: turns of the toy service with it and almost without it, by one worker and by two.

    python -m bench.audit                     # writes var/bench/audit-turns.json and audit-two-workers.json

Almost without it means one row for a turn instead of one for each event. The two are measured alternately, so that a
loaded machine slows both.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from servicecert_worker.audit.chain import Chain, Row
from servicecert_worker.audit.verification import verify
from servicecert_worker.decider import Connection, Event
from servicecert_worker.runtime.fold import Decided
from servicecert_worker.runtime.record import Arrival, Record
from servicecert_worker.runtime.turn import Turns
from servicecert_worker.signatures import Signer
from servicecert_worker.storage import database

sys.path.insert(0, "tests")

from servicecert_schemas.application import ApplicationWithdrawn
from toy import service as toy
from toy.stand import ACTOR

from bench.results import keep
from bench.stand import connected, in_processes, own_schema

TURNS, BATCH, ROUNDS = 20, 200, 3


class OneRow(Chain):
    """A chain that records a turn's first item only."""

    async def rows(self, connection: Connection, decided: Sequence[Decided], now: datetime) -> list[Row]:
        return await super().rows(connection, decided[:1], now)


async def work(url: str, kind: type[Chain]) -> float:
    """Return the events a second that one worker decides."""
    pool = await database.open_pool(url, toy.NAME)
    now = datetime.now(UTC)
    chain = kind(toy.NAME, {}, os.urandom)
    await chain.begin(pool, now)
    turns = Turns(toy.toy(Path(os.devnull), 0), pool, chain, Signer(toy.NAME, Ed25519PrivateKey.generate()))
    started = 0.0
    for number in range(TURNS + 5):
        if number == 5:
            started = time.perf_counter()
        await turns.take([_arrival(now) for _ in range(BATCH)], None, now, 0, "")
    rate = TURNS * BATCH / (time.perf_counter() - started)
    pool.terminate()
    return rate


def _arrival(now: datetime) -> Arrival:
    data = ApplicationWithdrawn(case_id=uuid4(), actor=ACTOR, reason="1")
    record = Record("applications", 0, 0, data.key().encode(), (), data.model_dump_json().encode(), now)
    return Arrival(record, Event(uuid4(), data.key(), data, now))


async def measure() -> None:
    """Measure both alternately, and store the medians."""
    rates: dict[tuple[type[Chain], int], list[float]] = {}
    with own_schema(toy.NAME, toy.MIGRATIONS) as (url, admin_url):
        for _ in range(ROUNDS):
            for workers in (1, 2):
                for kind in (Chain, OneRow):
                    rates.setdefault((kind, workers), []).append(sum(in_processes(workers, work, url, kind)))
        _print_bytes(admin_url)
        await _print_verified(admin_url)
    medians = {key: median(values) for key, values in rates.items()}
    for workers, name in ((1, "audit-turns"), (2, "audit-two-workers")):
        keep(name, medians[Chain, workers], "events/s", "one row a turn", medians[OneRow, workers])
    full, almost_none = (medians[kind, 2] / medians[kind, 1] for kind in (Chain, OneRow))
    print(f"two workers to one: {full:.2f} with the chain, {almost_none:.2f} almost without it")


def _print_bytes(url: str) -> None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select pg_total_relation_size('toy.audit')::float8 / count(*), avg(length(entry)) from toy.audit"
        ).fetchone()
    assert row is not None
    print(f"{row[0]:.0f} bytes a row, indexes included; its entry {row[1]:.0f}")


async def _print_verified(url: str) -> None:
    async with connected(url) as connection:
        await connection.execute(f"set search_path = {toy.NAME}")
        started = time.perf_counter()
        verified = await verify(connection, toy.NAME, {}, None)
        rate = verified.rows / (time.perf_counter() - started)
    print(f"{rate:.0f} rows verified a second, of {verified.rows} in {verified.chains} chains")


if __name__ == "__main__":
    asyncio.run(measure())
