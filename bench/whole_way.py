"""What a certificate costs on its whole way, from a produced event to the mail that is handed over.

    python -m bench whole_way
    python -m bench.whole_way --record

At full speed, and at fixed rates. The processor time of a certificate is compared with a piece of work that is timed in
the same run. `budget.json` holds the ratios of the last recorded run: a run fails if one is exceeded by more than 15 %,
or writes what it measured with `--record`.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha384
from time import perf_counter

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import send
from servicecert_cli.stand.system import System
from servicecert_schemas.codec import Record, decode
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.topics import NOTIFICATIONS
from servicecert_worker.core.record import Record as Fetched
from servicecert_worker.storage.database import connected

from bench import load, raw, stand
from bench.results import RECORD, exceeded, keep, percentiles

WARM_UP, BACKLOG = 1_500, 5_000
RATES, SECONDS = (20, 50, 200), 20
LATENCY_LIMITS = {"p50": 40.0, "p99": 200.0}
MEMORY_LIMIT = 150.0
PIECES = 200
PAUSE_SECONDS = 0.005
WINDOW_LIMITS = {"p50": 50.0, "p99": 250.0}

_NOTE = """
create unlogged table if not exists public.mail_window (ms double precision not null);
grant insert on public.mail_window to public;
create or replace function public.note_mail_window() returns trigger language plpgsql as $$
begin
    insert into public.mail_window values (
        1000 * extract(epoch from clock_timestamp() - (convert_from(new.result, 'UTF8')::json ->> 'at')::timestamptz)
    );
    return null;
end
$$;
-- A deferred constraint is checked when the transaction is about to be committed.
drop trigger if exists mail_window on notifier.intents;
create constraint trigger mail_window after update on notifier.intents deferrable initially deferred
    for each row when (new.result is not null) execute function public.note_mail_window();
"""


async def measure(share: float, *, record: bool = False) -> None:
    """Measure everything in one system, and exit with a sentence if the budget is exceeded."""
    csrs = {family: load.requests(family) for family in raw.CA_KEYS}
    signing = {family: raw.signing(family) for family in raw.CA_KEYS}
    spent: dict[str, dict[str, float]] = {}
    async with stand.measured_system() as system:
        for family in raw.CA_KEYS:
            await backlog(system, load.records(stand.scaled(WARM_UP, share), csrs[family]))
        before, work = stand.memory(system), [await asyncio.to_thread(_piece)]
        for family, key in raw.CA_KEYS.items():
            rate, spent[f"backlog-{key}"] = await backlog(
                system, load.records(stand.scaled(BACKLOG, share), csrs[family])
            )
            keep(f"whole-way-{key}", rate, "per second", f"raw {key} signing", signing[family])
        for rate in RATES:
            used = stand.cpu_seconds(system)
            async with watched_window(system, rate):
                times = await at_rate(system, csrs["ec"], rate, SECONDS * share)
                await stand.idle(system)
            spent[str(rate)] = stand.cpu_times(used, stand.cpu_seconds(system), len(times))
            for name, value in percentiles(times).items():
                keep(f"latency-{rate}-{name}", value, "ms", "limit at 50/s", LATENCY_LIMITS[name])
        after, work = stand.memory(system), [*work, await asyncio.to_thread(_piece)]
    for name, megabytes in after.items():
        print(f"  memory of {name}: {before[name]:.0f} MB warm, {megabytes:.0f} MB at the end", flush=True)
    keep("worker-memory", max(after.values()), "MB", "limit", MEMORY_LIMIT)
    _check_budget(spent, sum(work) / 2, record=record)


def _check_budget(spent: Mapping[str, Mapping[str, float]], work: float, *, record: bool) -> None:
    ratios: dict[str, float] = {}
    for name, costs in spent.items():
        keep(f"budget-{name}", sum(costs.values()), "ms", "piece of work", work)
        stand.print_cpu_times(costs, "a certificate")
        ratios[f"budget-{name}"] = round(sum(costs.values()) / work, 2)
    recorded = json.loads(RECORD.read_text())
    budget = {name: ratios[name] for name in recorded}
    if record:
        RECORD.write_text(json.dumps(budget, indent=2) + "\n")
    elif faults := exceeded(budget, recorded):
        sys.exit("\n".join(faults))


async def backlog(system: System, records: Sequence[Record]) -> stand.Measured:
    """Handle applications; return the certificates a second until the last mail, and what each costs in all."""
    count, used = len(records), stand.cpu_seconds(system)
    async with kafka.producer(system.cluster) as producer, load.watching(system.cluster, NOTIFICATIONS) as watch:
        started = perf_counter()
        await send(producer, system.cluster, records)
        await watch.until(count)
        rate = count / (watch.latest_at - started)
    await stand.idle(system)
    return rate, stand.cpu_times(used, stand.cpu_seconds(system), count)


async def at_rate(system: System, csrs: list[str], rate: int, seconds: float) -> list[float]:
    """Return the milliseconds from sending each application to the mail server's answer, at a steady rate."""
    records = load.records(round(rate * seconds), csrs)
    sent: dict[bytes, datetime] = {}
    async with kafka.producer(system.cluster) as producer, load.watching(system.cluster, NOTIFICATIONS) as watch:
        started = perf_counter()
        for number, record in enumerate(records):
            await asyncio.sleep(max(0.0, started + number / rate - perf_counter()))
            sent[record.key] = datetime.now(UTC)
            await producer.send(
                system.cluster.prefix + record.topic, value=record.value, key=record.key, headers=record.headers
            )
        await watch.until(len(records))
    return [(_accepted_at(watch.first[key]) - at) / timedelta(milliseconds=1) for key, at in sent.items()]


@asynccontextmanager
async def watched_window(system: System, rate: int) -> AsyncIterator[None]:
    """Measure for each mail the time from the server's answer to the commit: a crash within sends it twice (C3, I9)."""
    async with connected(system.backends.admin_url) as connection:
        await connection.execute(_NOTE)
        yield
        times = await connection.fetch("delete from public.mail_window returning ms")
    for name, value in percentiles(row["ms"] for row in times).items():
        keep(f"mail-window-{rate}-{name}", value, "ms", "limit at 50/s", WINDOW_LIMITS[name])


def _accepted_at(record: Fetched) -> datetime:
    _, mail = decode(NOTIFICATIONS.name, record.key, record.headers, record.value)
    assert isinstance(mail, MailHandedOver)
    return mail.at


def _piece() -> float:
    """Return the milliseconds of processor time of a piece of work, on all cores at once, as a turn does it.

    It verifies a signature, handles events and asks a database, whose time counts, too. Like a worker it pauses between
    pieces: a processor that was idle is slower at first, on some machines by half.
    """
    cores = os.cpu_count() or 1
    with stand.database_server() as server:
        before = stand.processor_seconds(server.pid)
        spent: list[float] = stand.in_processes(cores, _timed, server.url)
        return (sum(spent) + stand.processor_seconds(server.pid) - before) / (cores * PIECES) * 1000


async def _timed(url: str) -> float:
    key = ec.generate_private_key(ec.SECP384R1())
    signature = key.sign(b"", ec.ECDSA(hashes.SHA384()))
    event = {str(number): [number, {"name": "x" * number}] for number in range(100)}
    spent = 0.0
    async with connected(url) as connection:
        for _ in range(PIECES):
            await asyncio.sleep(PAUSE_SECONDS)
            began = time.process_time()
            key.public_key().verify(signature, b"", ec.ECDSA(hashes.SHA384()))
            for _ in range(5):
                sha384(json.dumps(json.loads(json.dumps(event)), sort_keys=True).encode()).hexdigest()
                await connection.execute("begin; select generate_series(1, 10)::text; commit")
            spent += time.process_time() - began
    return spent


if __name__ == "__main__":
    asyncio.run(measure(1.0, record="--record" in sys.argv[1:]))
