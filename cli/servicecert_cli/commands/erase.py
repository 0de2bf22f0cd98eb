"""`servicecert erase`: the personal data of cases that ended long ago."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import click

from ..connections.addresses import cluster, database_url
from ..faults import UserError
from ..operations import erasing
from ..operations.erasing import next_night
from ..terminal import interruption
from ..terminal.output import as_json, print_json


@click.command()
@click.option("--case", type=click.UUID, help="This case, if it is due.")
@click.option("--due", "everything", is_flag=True, help="All cases that are due.")
@click.option(
    "--nightly", is_flag=True, help="With --due: now, and then each night at three, Helsinki time, until ended."
)
@click.option("--dry-run", is_flag=True, help="Say which, and erase nothing.")
@as_json
def command(case: UUID | None, everything: bool, nightly: bool, dry_run: bool, as_json: bool) -> None:
    """Erase the personal data of cases that ended 5 years ago.

    Due are cases 5 years after their certificate's expiry, or after their end where they
    had none. The certificate, its revocation and the audit stay; the audit verifies as
    before. DATABASE_URL names an administrator.

    \b
    Examples:
      servicecert erase --due --dry-run
      servicecert erase --due --nightly
      servicecert erase --case 7b1f0c9e-5d47-4a8e-8d21-b6a7c2e4f905
    """
    if everything == (case is not None):
        raise click.UsageError("Say which cases: --due, or --case with one case id.")
    if nightly and (dry_run or not everything):
        raise click.UsageError("--nightly goes with --due, and erases.")

    async def work() -> None:
        _tell(*await _erased(case, dry_run), dry_run=dry_run, as_json=as_json)
        while nightly:
            now = datetime.now(UTC)
            await asyncio.sleep((next_night(now) - now).total_seconds())
            _tell(*await _erased(None, dry_run=False), dry_run=False, as_json=as_json)

    interruption.run(work(), is_end=nightly)


async def _erased(case: UUID | None, dry_run: bool) -> tuple[list[str], list[str]]:
    """The cases that are due, or the one that was asked for, and those that were left. Raises UserError, OperatorError."""
    now = datetime.now(UTC)
    found = await erasing.due(database_url(), now)
    if case is not None:
        if str(case) not in found:
            raise UserError(f"The case {case} is not due, or not there: 5 years must have passed since its end.")
        found = [str(case)]
    return found, [] if dry_run else await erasing.erase(database_url(), cluster(), found, now)


def _tell(found: list[str], left: list[str], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"cases": found, "left": left, "erased": 0 if dry_run else len(found) - len(left)})
    elif dry_run:
        for each in found:
            click.echo(each)
        click.echo(f"{len(found)} cases are due.")
    else:
        for each in left:
            click.echo(f"{each} is left: something of it is still to be published or done.")
        click.echo(f"{len(found) - len(left)} cases are erased.")
