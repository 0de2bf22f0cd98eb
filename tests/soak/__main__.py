"""`make soak`: on its own broker, database and Prometheus. Exit status 0 only if nothing is found."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import time
from pathlib import Path

from servicecert_cli.stand.folders import empty_folder
from servicecert_cli.stand.identities import Identities
from servicecert_cli.terminal import interruption
from servicecert_launcher import start_parts
from servicecert_worker.core.faults import operator_message

from soak import report
from soak.run import BEGIN, Outcome, changed_processes, open_soak, run
from soak.schedule import schedule, steps_until

PAUSE_SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="the schedule of an earlier run; drawn where not given")
    parser.add_argument("--pause", type=float, default=PAUSE_SECONDS, help="seconds between two applications")
    parser.add_argument("--folder", type=Path, default=Path("var/soak"), help="for logs, Prometheus' data, the report")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    print(f"{given.minutes:g} minutes, an application each {given.pause:g} s, SEED={seed}", flush=True)
    try:
        outcome = interruption.run(_soak(given.minutes * 60, seed, given.pause, empty_folder(given.folder)))
    except Exception as error:
        if (fault := operator_message(error)) is None:
            raise
        print(f"soak: {fault[0]} Play it again with SEED={seed}.", file=sys.stderr)
        return 1
    text = "\n".join(report.lines(outcome))
    (given.folder / "report.md").write_text(text + "\n")
    print(f"\n{text}\n")
    found = list(report.findings(outcome))
    for line in found:
        print(f"soak: {line}")
    return 1 if found else 0


async def _soak(seconds: float, seed: int, pause: float, folder: Path) -> Outcome:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s: {line}", flush=True)

    identities = Identities.make(folder / "identities")
    parts = await asyncio.to_thread(
        start_parts, secured=identities.broker, tls=identities.database, environment={}, report=say
    )
    try:
        async with open_soak(folder, parts, identities, say) as soak:
            steps = schedule(seed, changed_processes(), BEGIN)
            return await run(soak, steps_until(time.monotonic() + seconds, steps, time.monotonic), seed, pause)
    finally:
        shutil.rmtree(folder / "identities", ignore_errors=True)
        shutil.rmtree(folder / "released", ignore_errors=True)
        await asyncio.to_thread(parts.stop)


if __name__ == "__main__":
    sys.exit(main())
