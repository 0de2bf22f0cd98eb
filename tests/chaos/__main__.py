"""`make chaos`: a run on its own broker and database. Exit status 0 only if the verdict is clean."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from servicecert_cli.stand.system import OCSP, worker_names
from servicecert_cli.terminal import interruption
from servicecert_cli.terminal.printing import console
from servicecert_launcher import start_parts
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.faults import operator_message

from chaos import plan, report, testbed
from chaos.run import Outcome, run

WORKERS = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description="Applications while everything is killed at random.")
    parser.add_argument("--applications", type=int, default=2_000, metavar="N")
    parser.add_argument(
        "--seed", type=int, default=None, help="replays the plan of an earlier run; drawn where not given"
    )
    parser.add_argument("--faults", type=int, default=None, help="how many; one for 30 applications where not given")
    parser.add_argument("--keep", type=Path, default=None, help="a folder that keeps the workers' logs")
    parser.add_argument("--token", action="store_true", help="the CA's keys are in SoftHSM2")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if arguments.seed is None else arguments.seed
    try:
        outcome = interruption.run(_run(arguments, seed))
    except Exception as error:
        if (fault := operator_message(error)) is None:
            raise
        print(f"chaos: {fault[0]} Play it again with SEED={seed}.", file=sys.stderr)
        return 1
    _show(outcome)
    return 0 if outcome.verdict.is_clean else 1


async def _run(arguments: argparse.Namespace, seed: int) -> Outcome:
    out, applications, keep = console(), arguments.applications, arguments.keep
    faults = arguments.faults or plan.fault_count(applications)
    processes = [OCSP, *(name for service in SERVICES for name in worker_names(service, WORKERS))]
    planned = plan.draw(seed, applications, processes, faults, pause=plan.longest_pause(applications, faults))
    out.print(f"{applications} applications, {WORKERS} workers of each service, an OCSP responder, SEED={seed}")
    parts = await asyncio.to_thread(start_parts, environment={})
    folder = Path(tempfile.mkdtemp(prefix="servicecert-chaos-"))
    try:
        async with testbed.open_testbed(folder, parts, workers=WORKERS, token=arguments.token) as opened:
            progress = report.Progress(out, planned)
            try:
                return await run(opened, planned, progress)
            finally:
                progress.end()
    finally:
        if keep is not None:
            shutil.copytree(folder / "logs", keep, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        await asyncio.to_thread(parts.stop)


def _show(outcome: Outcome) -> None:
    for name, value in report.table(outcome):
        print(f"  {name:<32}{value}")
    for line in (*report.findings(outcome.verdict), *outcome.unexpected_exits):
        print(f"chaos: {line}")


if __name__ == "__main__":
    sys.exit(main())
