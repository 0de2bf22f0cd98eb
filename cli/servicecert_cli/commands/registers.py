"""`servicecert registers`: the registers that applications are judged by."""

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
from ..terminal.output import as_json, print_json

_SHOWN = 20


@click.group()
def command() -> None:
    """The registers that applications are judged by."""


@command.command()
@click.argument("path", metavar="FILE", required=False, type=click.Path(path_type=Path))
@click.option("--fictitious", is_flag=True, help="The invented organisations of the demonstration.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and publish nothing.")
@click.option(
    "--end-at-most",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    default=5.0,
    show_default=True,
    help="How much of the entries in force a file may end.",
)
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The day that changes hold from.  [default: today]")
@as_json
def load(
    path: Path | None, fictitious: bool, dry_run: bool, end_at_most: float, day: datetime | None, as_json: bool
) -> None:
    """Publish what a register file changes to the topic `registers`.

    FILE is a CSV export of organisations, Kanta intermediaries or information systems
    (its header tells which), or a folder of such files. It holds a register whole: what
    it has no more ends on the day before, and is kept. The whole file is checked before
    anything is published; loading it again changes nothing.

    \b
    Examples:
      servicecert registers load organisations.csv --dry-run
      servicecert registers load --fictitious
    """
    if (path is None) is not fictitious:
        raise click.UsageError("Name a FILE, or say --fictitious.")
    today = datetime.now(HELSINKI).date() if day is None else day.date()
    with loading.collector_paused():
        entries = list(read_register(path or FICTITIOUS_REGISTERS))
        found = interruption.run(loading.load(cluster(), entries, today, None if dry_run else end_at_most))
    if as_json:
        print_json({"entries": len(entries), **_counts(found), "published": 0 if dry_run else len(found.entries)})
    elif dry_run:
        _show(found)
    else:
        click.echo(_sentence(found))


def _counts(found: Changes) -> dict[str, int]:
    counted = {"added": found.added, "changed": found.changed, "ended": found.ended}
    return {**{name: len(entries) for name, entries in counted.items()}, "unchanged": found.unchanged}


def _sentence(found: Changes) -> str:
    """Of changed entries every record counts: one that goes on with another content is two."""
    said = ", ".join(f"{count} {name}" for name, count in _counts(found).items())
    return f"{said}: {len(found.entries)} entries are published."


def _show(found: Changes) -> None:
    for sign, entries in (("+", found.added), ("~", found.changed), ("-", found.ended)):
        for entry in entries[:_SHOWN]:
            click.echo(f"{sign} {entry.entry_id} {_told(entry)}")
        if len(entries) > _SHOWN:
            click.echo(f"{sign} and {len(entries) - _SHOWN} more")
    said = ", ".join(f"{count} {name}" for name, count in _counts(found).items())
    click.echo(f"{said}: nothing is published.")


def _told(entry: RegisterEntry) -> str:
    what = entry.entry
    if isinstance(what, RegisteredSystem):
        return what.name
    name = what.names.fi if isinstance(what, Organisation) else what.name
    return f"{name} ({what.valid_from} to {what.valid_to or 'further notice'})"
