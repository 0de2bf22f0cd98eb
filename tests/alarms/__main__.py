"""`python -m alarms`: injects the faults and prints the table of docs/measurements.md."""

import argparse
import asyncio
import sys
from pathlib import Path

from servicecert_cli.faults import UserError
from servicecert_cli.stand.folders import empty_folder
from servicecert_launcher import DeployError

from alarms.faults import BY_NAME, FAULTS
from alarms.run import HEAD, HEALTHY_SECONDS, stay_healthy, suffer_all
from alarms.stand import open_stand

RECORDED = Path(__file__).with_name("recorded")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m alarms", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(BY_NAME), help="a fault; may be repeated")
    parser.add_argument("--folder", type=Path, default=Path("var/alarms"), help="for the system and Prometheus' data")
    parser.add_argument("--healthy", type=float, metavar="MINUTES", help="inject nothing for so long; nothing may fire")
    parser.add_argument("--record", action="store_true", help="write the recordings that the tests replay")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if given.only is None or fault.name in given.only]

    recorded = RECORDED if given.record else None

    async def suffered() -> int:
        async with open_stand(empty_folder(given.folder)) as stand:
            outcomes = await suffer_all(stand, faults, recorded)
        table = "\n".join([HEAD, *(outcome.row() for outcome in outcomes)])
        (given.folder / "table.md").write_text(table + "\n")
        bad = [outcome for outcome in outcomes if not outcome.is_good]
        for outcome in bad:
            for command in outcome.failed_commands:
                print(f"{outcome.fault.name}: failed: {command}")
        print(f"{len(outcomes) - len(bad)} of {len(outcomes)} faults rang as promised, and nothing else did.")
        return 1 if bad else 0

    async def watched() -> int:
        async with open_stand(empty_folder(given.folder), HEALTHY_SECONDS) as stand:
            fired = await stay_healthy(stand, given.healthy, recorded)
        print(f"{given.healthy:g} healthy minutes: {', '.join(sorted(fired)) or 'no alert'} fired.")
        return 1 if fired else 0

    try:
        return asyncio.run(suffered() if given.healthy is None else watched())
    except (DeployError, UserError) as fault:
        print(f"alarms: {fault}", file=sys.stderr)
        return getattr(fault, "exit_code", 69)


if __name__ == "__main__":
    sys.exit(main())
