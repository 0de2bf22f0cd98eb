"""How cost grows: with the workers, the partitions that the load is on, a certificate's names, and the stored cases.

    python -m bench.size                                 # all of it: hours, and some 60 GB
    python -m bench.size --only cases --cases 1000000
    python -m bench.size --share 0.03                    # a short trial: every count is that share

Each point is the median of three rounds of applications with P-384 keys. Those of partitions and of names are measured
in turns, so that an hour of a slow machine is one for all. The stored cases are added to a new system for each number,
and measured before and after; `bench.stored` says what they are made of. With the workers each service is measured
alone, too, and what only one process can do.
"""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from time import perf_counter

from servicecert_cli.stand.system import LAG, System, service_of
from servicecert_schemas import topics
from servicecert_worker.storage.database import connected

from bench import load, stand, stored
from bench.alone import PATIENT, carried
from bench.results import keep
from bench.whole_way import backlog

WORKERS = (1, 2, 3)
LOADS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "partitions": {str(n): {"partitions": n} for n in (1, 2, 3, 4, topics.APPLICATIONS.partitions)},
    "names": {str(n): {"names": n} for n in (1, 10, 100)},
}
"""The arguments of `load.records` at each point."""

GROWTHS = ("workers", *LOADS, "cases")
CASES = (1_000_000, 10_000_000)
ROUNDS = 3
WARM_UP, BACKLOG, ALONE = 1_500, 2_000, 1_200
RELAYED, LOOKED_SECONDS = 20_000, 60

Reads = dict[str, tuple[int, float]]
"""Of each table its sequential scans, and the rows read in it and in its indexes for a certificate."""

_OUTBOX = """
insert into intake.outbox (topic, key, event_id, type, at, payload)
select $1, gen_random_uuid()::text, gen_random_uuid(), 'servicecert.case.changed.v2', now(), $2
from generate_series(1, $3)
"""
_WRITTEN = """
select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8, last_value::float8 from intake.outbox_id_seq
"""


async def measure(share: float, only: Sequence[str] = ("workers",), cases: Sequence[int] = ()) -> None:
    """Measure these growths; `make bench` leaves out what takes hours."""
    csrs = load.requests("ec")
    for name in only:
        if name == "workers":
            await by_workers(csrs, share)
        elif name == "cases":
            await by_cases(csrs, share, cases)
        else:
            await by_load(name, csrs, share)


async def by_load(name: str, csrs: list[str], share: float) -> None:
    """Measure each of these loads in each round, with one worker of each service."""
    found: dict[str, list[stand.Measured]] = {point: [] for point in LOADS[name]}
    async with stand.measured_system() as system:
        await backlog(system, load.records(stand.scaled(WARM_UP, share), csrs))
        for _ in range(ROUNDS):
            for point, arguments in LOADS[name].items():
                records = load.records(stand.scaled(BACKLOG, share), csrs, **arguments)
                found[point].append(await backlog(system, records))
    _keep(name, {point: stand.median_of(rounds) for point, rounds in found.items()})


async def by_workers(csrs: list[str], share: float) -> None:
    """Measure more and more workers of each service: each alone, and all together."""
    found: dict[str, dict[str, stand.Measured]] = {}
    count = stand.scaled(BACKLOG, share)
    async with stand.measured_system(environment=PATIENT) as system:
        for workers in WORKERS:
            await stand.grow(system, workers)
            await backlog(system, load.records(stand.scaled(WARM_UP, share), csrs))
            rounds = [await carried(system, load.records(stand.scaled(ALONE, share), csrs)) for _ in range(ROUNDS)]
            here = {stage: stand.median_of([each[stage] for each in rounds]) for stage in rounds[0]}
            before = await _written(system)
            rounds_together = [await backlog(system, load.records(count, csrs)) for _ in range(ROUNDS)]
            here["whole-way"] = stand.median_of(rounds_together)
            grown = [(now - then) / count / ROUNDS for then, now in zip(before, await _written(system), strict=True)]
            for name, measured in here.items():
                found.setdefault(name, {})[str(workers)] = measured
        keep("size-wal", grown[0] / 1e3, "kB", "events of intake", grown[1])
        rate = await _relay_rate(system, stand.scaled(RELAYED, share))
        keep("size-relay", rate, "per second", "of intake for a certificate", grown[1])
        await _keep_exporter(system, LOOKED_SECONDS * share)
    for name, growth in found.items():
        _keep(name, growth)


async def by_cases(csrs: list[str], share: float, numbers: Sequence[int]) -> None:
    """Measure with empty tables and with these numbers of cases; each in a new system."""
    for cases in (stand.scaled(number, share) for number in numbers):
        async with stand.measured_system() as system:
            empty = await _with_cases(system, csrs, share)
            await stored.fill(system, cases)
            for name in system.processes:
                system.start(name)
            await system.ready(*system.processes)
            await stored.print_sizes(system)
            filled = await _with_cases(system, csrs, share)
        _keep("cases", {f"0-before-{cases}": empty[0], str(cases): filled[0]})
        _keep_reads(cases, empty[1], filled[1])


async def _with_cases(system: System, csrs: list[str], share: float) -> tuple[stand.Measured, Reads]:
    await backlog(system, load.records(stand.scaled(WARM_UP, share), csrs))
    before, count = await stored.reads(system), stand.scaled(BACKLOG, share)
    rounds = [await backlog(system, load.records(count, csrs)) for _ in range(ROUNDS)]
    after = await stored.reads(system)
    reads = {
        name: (after[name][0] - scans, (after[name][1] - rows) / count / ROUNDS)
        for name, (scans, rows) in before.items()
    }
    return stand.median_of(rounds), reads


async def _written(system: System) -> list[float]:
    async with connected(system.backends.admin_url) as connection:
        (row,) = await connection.fetch(_WRITTEN)
        return list(row)


async def _relay_rate(system: System, count: int) -> float:
    """Return the events per second that intake's relay publishes with nothing else to do; ends all other workers."""
    for name in [name for name in system.children if service_of(name) != "intake"]:
        # Nobody is to read these events.
        await asyncio.to_thread(system.children.pop(name).kill)
    async with (
        connected(system.backends.admin_url) as connection,
        load.watching(system.cluster, topics.CASES) as watch,
    ):
        with stand.frozen(system.children.values()):
            await connection.execute(_OUTBOX, topics.CASES.name, os.urandom(650).hex().encode(), count)
            started = perf_counter()
        await watch.until(count)
        return count / (watch.latest_at - started)


async def _keep_exporter(system: System, seconds: float) -> None:
    """Measure the exporter of lag, which looks as often as by default, and is scraped once."""
    system.start(LAG, SERVICECERT_LAG_SECONDS="10")
    await system.ready(LAG)
    used = stand.cpu_seconds(system)[LAG]
    await asyncio.sleep(seconds)
    await system.waiting()
    keep("lag-exporter", 100 * (stand.cpu_seconds(system)[LAG] - used) / seconds, "% of a core", "limit", 2.0)


def _keep(name: str, growth: Mapping[str, stand.Measured]) -> None:
    (first, (first_rate, first_costs)), *_ = growth.items()
    for point, (rate, costs) in growth.items():
        keep(f"size-{name}-{point}", rate, "per second", first, first_rate)
        keep(f"size-{name}-{point}-cost", sum(costs.values()), "ms", first, sum(first_costs.values()))
        stand.print_cpu_times(costs, "a certificate")


def _keep_reads(cases: int, empty: Reads, filled: Reads) -> None:
    rows = [sum(rows for _, rows in each.values()) for each in (filled, empty)]
    keep(f"size-cases-{cases}-rows", rows[0], "rows read", "empty tables", rows[1])
    scanned = [f"{table} {filled[table][0]} times" for table in stored.grown_by(cases) if filled[table][0]]
    print(f"  read sequentially with {cases} cases: {', '.join(scanned) or 'no table that grew'}", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--share", type=float, default=1.0, help="of every count, for a short trial")
    options.add_argument("--only", nargs="+", choices=GROWTHS, default=GROWTHS)
    options.add_argument("--cases", nargs="+", type=int, default=CASES, help="numbers of stored cases")
    given = options.parse_args()
    asyncio.run(measure(given.share, given.only, given.cases))
