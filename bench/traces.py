"""The cost of traces: processor time of a handled event's context where they are off, and of a span where they are on.

    python -m bench.traces                    # writes var/bench/trace-*.json

The spans are exported by OTLP to a collector in another process, so that what is measured includes the export.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from uuid import UUID, uuid4

sys.path.insert(0, "tests")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from otlp_collector import collecting
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_worker.decider import Event
from servicecert_worker.domain import traces
from servicecert_worker.process.telemetry import open_telemetry
from servicecert_worker.runtime.fold import Decided
from servicecert_worker.runtime.record import Arrival, Record
from servicecert_worker.runtime.turn import TurnResult
from toy.stand import ACTOR

from bench.results import keep

ITEMS, BATCH, ROUNDS = 5_000, 50, 5


def per_item(act: Callable[[int], object], items: int) -> float:
    """Return the µs of this process's time that one item takes, of all threads."""
    began = time.process_time()
    for number in range(items):
        act(number)
    return (time.process_time() - began) / items * 1e6


def context(number: int) -> str | None:
    """What each record costs where traces are off."""
    return traces.handling(traces.admitted(None, f"case {number}", traces.as_given), UUID(int=number), "toy")


async def measure_spans(url: str) -> float:
    """Return the µs of a span, from a turn's result to the collector."""
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_MAX_QUEUE_SIZE": str(ITEMS)}
    dropped: list[int] = []
    telemetry = open_telemetry(os.environ, "toy", "toy", "", dropped.append)
    now = datetime.now(UTC)
    data = ApplicationWithdrawn(case_id=uuid4(), actor=ACTOR, reason="1")
    record, trace = Record("applications", 0, 0, b"", (), b"", now), traces.root(data.key(), sampled=True)
    items = [Arrival(record, Event(uuid4(), data.key(), data, now, None, trace)) for _ in range(ITEMS)]
    turns = [
        TurnResult((), 0, frozenset(), (), (), decided=tuple(map(Decided, items[at : at + BATCH])))
        for at in range(0, ITEMS, BATCH)
    ]
    began = time.process_time()
    for turn in turns:
        telemetry.handled(turn, (), time.time_ns())
        await asyncio.sleep(0)
    await telemetry.close()
    assert not dropped, "the queue holds all"
    return (time.process_time() - began) / ITEMS * 1e6


def collect(pipe: Connection) -> None:
    """Run a collector until told to end."""
    with collecting() as collector:
        pipe.send(collector.url)
        pipe.recv()
        pipe.send(collector.arrivals)


def main() -> None:
    """Measure, and store the medians."""
    off = median(per_item(context, ITEMS) for _ in range(ROUNDS))
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=collect, args=(theirs,))
    process.start()
    url = ours.recv()
    on = median(asyncio.run(measure_spans(url)) for _ in range(ROUNDS))
    ours.send("end")
    arrived = ours.recv()
    process.join()
    key = Ed25519PrivateKey.generate()
    signature = median(per_item(lambda _: key.sign(bytes(1_000)), ITEMS) for _ in range(ROUNDS))
    keep("trace-off", off, "µs/event", "a signature by Ed25519", signature)
    keep("trace-on", on, "µs/span", "a signature by Ed25519", signature)
    print(f"{arrived} of {ITEMS * ROUNDS} spans arrived")


if __name__ == "__main__":
    main()
