"""`servicecert erase`: the personal data of cases that ended long ago."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import click

from ..connections.addresses import cluster, database_url
from ..faults import UserError
from ..operations import erasing
from ..terminal import interruption
from ..terminal.output import as_json, say
from .options import ID


@click.command()
@click.option("--case", type=ID, help="Only this case, if it is due.")
@click.option("--due", "everything", is_flag=True, help="All cases that are due.")
@click.option(
    "--nightly", is_flag=True, help="With --due: now, and then each night at three, Helsinki time, until stopped."
)
@click.option("--again", is_flag=True, help="With --due: also all that was erased before, once more.")
@click.option("--dry-run", is_flag=True, help="List the cases, and erase nothing.")
@as_json
def command(case: UUID | None, everything: bool, nightly: bool, again: bool, dry_run: bool, as_json: bool) -> None:
    """Erase the personal data of cases that ended 5 years ago.

    A case is due 5 years after its certificate's expiry; without a certificate, 5 years
    after its end; a parked record without a case, 5 years after it was parked. The
    certificate, its revocation and the audit stay, and the audit still verifies.
    DATABASE_URL names the eraser, whom `servicecert db prepare` makes.

    Run it with --again after Kafka's disks were restored from a copy: the audit knows what
    was erased, and the topics of the copy do not.

    Examples:
      servicecert erase --due --dry-run
      servicecert erase --due --nightly
      servicecert erase --due --again
      servicecert erase --case 7b1f0c9e-5d47-4a8e-8d21-b6a7c2e4f905
    """
    if everything == (case is not None):
        raise click.UsageError("Choose the cases: --due, or --case with one case id.")
    if nightly and (dry_run or again or not everything):
        raise click.UsageError("--nightly needs --due, and cannot be used with --dry-run or --again.")
    if again and not everything:
        raise click.UsageError("--again needs --due.")

    async def work() -> None:
        _report(*await _erase(case, again=again, dry_run=dry_run), dry_run=dry_run, as_json=as_json)
        while nightly:
            now = datetime.now(UTC)
            await asyncio.sleep((erasing.next_night(now) - now).total_seconds())
            _report(*await _erase(None), dry_run=False, as_json=as_json)

    interruption.run(work(), is_end=nightly)


async def _erase(case: UUID | None, *, again: bool = False, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Return the cases that are due, or the one asked for, and the skipped ones. Raises UserError, OperatorError."""
    due = await erasing.due(database_url())
    if again:
        due = sorted({*due, *await erasing.erased(database_url())})
    if case is not None:
        if str(case) not in due:
            raise UserError(f"The case {case} is unknown or not due: it must have ended 5 years ago.")
        due = [str(case)]
    return due, [] if dry_run else await erasing.erase(database_url(), cluster(), due)


def _report(due: list[str], skipped: list[str], *, dry_run: bool, as_json: bool) -> None:
    erased = 0 if dry_run else len(due) - len(skipped)
    lines = [f"Skipped {case}: it still has something to publish or to do. Try again later." for case in skipped]
    lines = [*due, f"Due: {len(due)}."] if dry_run else [*lines, f"Erased: {erased}."]
    say(as_json, {"cases": due, "left": skipped, "erased": erased}, "\n".join(lines))
