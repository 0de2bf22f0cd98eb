"""`servicecert registers`: the registers that applications are checked against."""

from datetime import datetime
from pathlib import Path

import click
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.register import Organisation, RegisteredSystem, RegisterEntry

from ..connections.addresses import cluster
from ..registers import loading
from ..registers.changes import Changes
from ..registers.reading import FICTITIOUS_REGISTERS, read_register
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_text

_SHOWN = 20


@click.group()
def command() -> None:
    """The registers that applications are checked against."""


@command.command()
@click.argument("path", metavar="FILE", required=False, type=click.Path(path_type=Path))
@click.option("--fictitious", is_flag=True, help="Load the demo's fictitious organisations.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and publish nothing.")
@click.option(
    "--end-at-most",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    default=5.0,
    show_default=True,
    help="Share of the entries in force that a file may end.",
)
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Changes apply from this day.  [default: today]")
@as_json
def load(
    path: Path | None, fictitious: bool, dry_run: bool, end_at_most: float, day: datetime | None, as_json: bool
) -> None:
    """Publish the changes of a register file to the topic `registers`.

    FILE is a CSV export of organisations, Kanta intermediaries or information systems
    (known by its header), or a folder of such files. It must hold the whole register: an
    entry that is missing from it ends on the day before, and is not deleted. The whole
    file is checked before anything is published; loading it again changes nothing.

    \b
    Examples:
      servicecert registers load organisations.csv --dry-run
      servicecert registers load --fictitious
    """
    if (path is None) is not fictitious:
        raise click.UsageError("Name a FILE, or use --fictitious.")
    today = datetime.now(HELSINKI).date() if day is None else day.date()
    entries = list(read_register(path or FICTITIOUS_REGISTERS))
    changes = interruption.run(loading.load(cluster(), entries, today, None if dry_run else end_at_most))
    if as_json:
        print_json({"entries": len(entries), **_counts(changes), "published": 0 if dry_run else len(changes.entries)})
    elif dry_run:
        _show(changes)
    else:
        click.echo(f"{_summary(changes)}: {len(changes.entries)} entries are published.")


def _counts(changes: Changes) -> dict[str, int]:
    lists = {"added": changes.added, "changed": changes.changed, "ended": changes.ended}
    return {**{name: len(entries) for name, entries in lists.items()}, "unchanged": changes.unchanged}


def _summary(changes: Changes) -> str:
    """Return the counts as text. A changed entry counts twice if one record ends and another follows it."""
    return ", ".join(f"{count} {name}" for name, count in _counts(changes).items())


def _show(changes: Changes) -> None:
    for sign, entries in (("+", changes.added), ("~", changes.changed), ("-", changes.ended)):
        for entry in entries[:_SHOWN]:
            print_text(f"{sign} {entry.entry_id} {_described(entry)}")
        if len(entries) > _SHOWN:
            click.echo(f"{sign} and {len(entries) - _SHOWN} more")
    click.echo(f"{_summary(changes)}: nothing is published.")


def _described(entry: RegisterEntry) -> str:
    what = entry.entry
    if isinstance(what, RegisteredSystem):
        return what.name
    name = what.names.fi if isinstance(what, Organisation) else what.name
    return f"{name} ({what.valid_from} to {what.valid_to or 'further notice'})"
