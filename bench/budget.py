"""What a certificate may cost: processor time, as a ratio to a piece of work that is timed in the same run.

`budget.json` holds the ratios of the last recorded run. `python -m bench.budget` measures anew and fails if one is
exceeded by more than 15 %; with `--record` it writes what it measured. `make bench` checks, too.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable
from hashlib import sha384
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from servicecert_cli.stand.system import System
from servicecert_deploy import Postgres

from bench import load, whole_way
from bench.limits import RECORD, exceeded
from bench.results import keep
from bench.stand import (
    connected,
    cpu_seconds,
    cpu_times,
    idle,
    in_processes,
    measured_system,
    print_cpu_times,
    processor_seconds,
)

WARM_UP, BACKLOG = 1_500, 4_000
RATES = (20, 50)
SECONDS = 20
PIECES = 200
PAUSE_SECONDS = 0.005


def piece() -> float:
    """Return the milliseconds of processor time of a piece of work, on all cores at once, as a turn does it.

    It verifies a signature, handles events and asks a database, whose time counts, too. Like a worker it pauses between
    pieces: a processor that was idle is slower at first, on some machines by half.
    """
    cores = os.cpu_count() or 1
    postgres = Postgres()
    postgres.start()
    try:
        before = processor_seconds(postgres.pid)
        spent: list[float] = in_processes(cores, _timed, postgres.url)
        return (sum(spent) + processor_seconds(postgres.pid) - before) / (cores * PIECES) * 1000
    finally:
        postgres.stop()


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


async def measure() -> dict[str, float]:
    """Return the pieces of work a certificate costs, from a backlog and at each rate."""
    async with measured_system() as system:
        with tempfile.TemporaryDirectory() as folder:
            csrs = await load.requests("ec", Path(folder))
        await whole_way.backlog(system, csrs, WARM_UP)
        before = piece()
        spent = {"budget-backlog": await _spent(system, whole_way.backlog(system, csrs, BACKLOG), BACKLOG)}
        for rate in RATES:
            spent[f"budget-{rate}"] = await _spent(
                system, whole_way.at_rate(system, csrs, rate, SECONDS), rate * SECONDS
            )
        work = (before + piece()) / 2
    for name, milliseconds in spent.items():
        keep(name, milliseconds, "ms", "piece of work", work)
    return {name: round(milliseconds / work, 2) for name, milliseconds in spent.items()}


async def _spent(system: System, load_it: Awaitable[object], count: int) -> float:
    used = cpu_seconds(system)
    await load_it
    await idle(system)
    spent = cpu_times(used, cpu_seconds(system), count)
    print_cpu_times(spent, "a certificate")
    return sum(spent.values())


def main(record: bool = False) -> None:
    """Measure, and exit with a sentence if a ratio is exceeded."""
    measured = asyncio.run(measure())
    if record:
        RECORD.write_text(json.dumps(measured, indent=2) + "\n")
    elif faults := exceeded(measured, json.loads(RECORD.read_text())):
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main(record="--record" in sys.argv[1:])
