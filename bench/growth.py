"""How cost grows: with the partitions that the load is on, the workers, a certificate's names, and the stored cases.

    python -m bench.growth                    # writes var/bench/growth-*.json and a drawing, growth.svg and .png
    python -m bench.growth --share 0.03       # a short trial: every count is that share
    python -m bench.growth --only cases --cases 1000000

Each point is the median of three rounds of applications from a backlog. The points of partitions and of names are
measured in turns, so that an hour of a slow machine is one for all. The stored cases are measured in a new system for
each number, before and after they are added; `bench.filling` says what they are made of.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from servicecert_cli.stand.system import System
from servicecert_schemas.codec import Record
from servicecert_schemas.topics import APPLICATIONS

from bench import filled, plot
from bench.budget import piece
from bench.filling import fill, grown_by, reads
from bench.load import records, requests
from bench.results import FOLDER, keep
from bench.stand import Measured, grow, measured_system, median_of, print_cpu_times
from bench.whole_way import backlog, measured

PARTITIONS = (1, 2, 3, 4, APPLICATIONS.partitions)
WORKERS = (1, 2, 3)
NAMES = (1, 10, 100)
CASES = (1_000_000, 10_000_000)
AXES = {
    "partitions": "partitions with all the load",
    "workers": "workers of each service",
    "names": "host names of a certificate",
    "cases": "stored cases (above 2M with small bodies)",
}
ROUNDS = 3
WARM_UP, BACKLOG = 1_500, 2_000
SCRAPES = 5
SCRAPE_PAUSE_SECONDS = 1.0
"""A worker answers with the same metrics for half a second."""

Growth = dict[str, Measured]


class Load:
    """Applications with P-384 keys, `share` of the full numbers."""

    def __init__(self, csrs: list[str], share: float) -> None:
        self.share = share
        self.csrs = csrs
        self.count = self.of(BACKLOG)

    def of(self, full: int) -> int:
        return max(20, int(full * self.share))

    def records(self, names: int = 1, partitions: int = APPLICATIONS.partitions) -> list[Record]:
        return records(self.count, self.csrs, names, partitions)

    async def warm_up(self, system: System) -> None:
        await backlog(system, self.csrs, self.of(WARM_UP))

    async def rounds(self, system: System) -> list[Measured]:
        return [await measured(system, self.records()) for _ in range(ROUNDS)]


async def by_partitions(load: Load) -> Growth:
    """Measure the same load on one partition of each topic, on two, and so on."""
    return await _in_turns(load, {str(n): partial(load.records, partitions=n) for n in PARTITIONS})


async def by_names(load: Load) -> Growth:
    """Measure applications with more and more host names; a certificate has 100 at most."""
    return await _in_turns(load, {str(n): partial(load.records, names=n) for n in NAMES})


async def by_workers(load: Load) -> Growth:
    """Measure more and more workers of each service."""
    found = {}
    async with measured_system() as system:
        for workers in WORKERS:
            await grow(system, workers)
            await load.warm_up(system)
            found[str(workers)] = median_of(await load.rounds(system))
    return found


async def by_cases(load: Load, numbers: Sequence[int]) -> Growth:
    """Measure with empty tables and with these numbers of cases; each in a new system."""
    empty: list[Measured] = []
    found: Growth = {}
    for cases in map(load.of, numbers):
        async with measured_system() as system:
            await load.warm_up(system)
            before = await _stored(system, load)
            await filled.print_speeds(system)
            await fill(system, cases)
            await filled.print_sizes(system)
            await load.warm_up(system)
            after = await _stored(system, load)
            await filled.print_speeds(system)
            await filled.print_crl(system)
        _keep_stored(cases, before, after)
        empty.append(before.measured)
        found[_short(cases)] = after.measured
    return {"0": median_of(empty), **found}


@dataclass(frozen=True, slots=True)
class Stored:
    """What was measured with some number of stored cases.

    `scrape` is the milliseconds until all workers have given their metrics. `reads` has of each table its sequential
    scans, and the rows read in it and in its indexes for a certificate.
    """

    measured: Measured
    scrape: float
    reads: dict[str, tuple[int, float]]


async def _stored(system: System, load: Load) -> Stored:
    before = await reads(system)
    rounds = await load.rounds(system)
    scrape = await _scrape(system)
    after = await reads(system)
    count = load.count * ROUNDS
    read = {name: (after[name][0] - scans, (after[name][1] - rows) / count) for name, (scans, rows) in before.items()}
    return Stored(median_of(rounds), scrape, read)


async def _scrape(system: System) -> float:
    """Return the milliseconds until all workers have given their metrics, one after another."""
    seconds = []
    for _ in range(SCRAPES):
        await asyncio.sleep(SCRAPE_PAUSE_SECONDS)
        started = perf_counter()
        for name in system.workers:
            await system.metrics(name)
        seconds.append(perf_counter() - started)
    return median(seconds) * 1000


async def _in_turns(load: Load, records: Mapping[str, Callable[[], list[Record]]]) -> Growth:
    """Measure each load in each round, with one worker of each service."""
    found: dict[str, list[Measured]] = {label: [] for label in records}
    async with measured_system() as system:
        await load.warm_up(system)
        for _ in range(ROUNDS):
            for label, make in records.items():
                found[label].append(await measured(system, make()))
    return {label: median_of(rounds) for label, rounds in found.items()}


def _keep(name: str, growth: Growth) -> None:
    """Keep each point beside the first one."""
    (first, (rate, costs)), *_ = growth.items()
    for label, (each_rate, each_costs) in growth.items():
        keep(f"growth-{name}-{label}", each_rate, "per second", first, rate)
        keep(f"growth-{name}-{label}-cost", sum(each_costs.values()), "ms", first, sum(costs.values()))
        print_cpu_times(each_costs, "a certificate")


def _keep_stored(cases: int, empty: Stored, filled: Stored) -> None:
    """Keep what grew from empty tables to so many cases, and print what was read."""
    name = _short(cases)
    _keep("cases", {f"0-before-{name}": empty.measured, name: filled.measured})
    keep(f"growth-cases-{name}-scrape", filled.scrape, "ms", "empty tables", empty.scrape)
    rows = [sum(rows for _, rows in each.reads.values()) for each in (filled, empty)]
    keep(f"growth-cases-{name}-rows", rows[0], "rows read", "empty tables", rows[1])
    scans = {table: filled.reads[table][0] for table in grown_by(cases)}
    scanned = [f"{table} {times} times" for table, times in scans.items() if times]
    print(f"  read sequentially with {name} cases: {', '.join(scanned) or 'no table that grew'}")
    for table, (_, now) in filled.reads.items():
        if now > 2 * empty.reads[table][1] + 1:
            print(f"  rows read for a certificate in {table}: {now:.1f}, and {empty.reads[table][1]:.1f} before")


def _short(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return str(count)


async def measure(share: float, only: Sequence[str], cases: Sequence[int]) -> None:
    """Measure the growths of these names; draw them, and the others as they were measured last."""
    await asyncio.to_thread(plot.install)
    with tempfile.TemporaryDirectory() as folder:
        load = Load(await requests("ec", Path(folder)), share)
    growths: dict[str, Callable[[Load], Awaitable[Growth]]] = {
        "partitions": by_partitions,
        "workers": by_workers,
        "names": by_names,
        "cases": partial(by_cases, numbers=cases),
    }
    for name in only:
        before = piece()
        growth = await growths[name](load)
        if name != "cases":
            _keep(name, growth)
        print(f"  a piece of work: {before:.2f} ms before, {piece():.2f} ms after", flush=True)
        (FOLDER / f"growth-{name}-points.json").write_text(json.dumps(growth, indent=2))
    stored = {axis: FOLDER / f"growth-{name}-points.json" for name, axis in AXES.items()}
    title = f"A certificate's cost and the throughput, from a backlog, with everything on {os.cpu_count()} cores"
    plot.draw({axis: json.loads(file.read_text()) for axis, file in stored.items() if file.exists()}, "growth", title)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--share", type=float, default=1.0, help="of every count, for a short trial")
    options.add_argument("--only", nargs="+", choices=AXES, default=list(AXES))
    options.add_argument("--cases", nargs="+", type=int, default=CASES, help="numbers of stored cases")
    given = options.parse_args()
    asyncio.run(measure(given.share, given.only, given.cases))
