"""`servicecert registers`: the registers that applications are checked against."""

from datetime import datetime
from pathlib import Path

import click
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.register import Organisation, RegisteredSystem, RegisterEntry

from ..connections.addresses import cluster
from ..registers import loading
from ..registers.reading import FICTITIOUS_REGISTERS, read_register
from ..terminal import interruption
from ..terminal.output import as_json, say
from .options import MOMENT

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
@click.option("--day", type=MOMENT, help="Changes apply from this day.  [default: today]")
@as_json
def load(
    path: Path | None, fictitious: bool, dry_run: bool, end_at_most: float, day: datetime | None, as_json: bool
) -> None:
    """Publish the changes of a register file to the topic `registers`.

    FILE is a CSV export of organisations, Kanta intermediaries or information systems
    (known by its header), or a folder of such files. It must hold the whole register: an
    entry that is missing from it ends on the day before, and is not deleted. The whole
    file is checked before anything is published; loading it again changes nothing.

    Examples:
      servicecert registers load organisations.csv --dry-run
      servicecert registers load --fictitious
    """
    if (path is None) is not fictitious:
        raise click.UsageError("Name a FILE, or use --fictitious.")
    today = datetime.now(HELSINKI).date() if day is None else day.date()
    entries = list(read_register(path or FICTITIOUS_REGISTERS))
    changes = interruption.run(loading.load(cluster(), entries, today, None if dry_run else end_at_most))
    lists = {"added": changes.added, "changed": changes.changed, "ended": changes.ended}
    # A changed entry counts twice if one record ends and another follows it.
    counts = {**{name: len(each) for name, each in lists.items()}, "unchanged": changes.unchanged}
    published = 0 if dry_run else len(changes.entries)
    lines = []
    for sign, listed in zip("+~-", lists.values(), strict=True) if dry_run else ():
        lines += [f"{sign} {entry.entry_id} {_described(entry)}" for entry in listed[:_SHOWN]]
        lines += [f"{sign} and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    done = "nothing is published" if dry_run else f"{published} entries are published"
    lines.append(f"{', '.join(f'{count} {name}' for name, count in counts.items())}: {done}.")
    say(as_json, {"entries": len(entries), **counts, "published": published}, "\n".join(lines))


def _described(entry: RegisterEntry) -> str:
    what = entry.entry
    if isinstance(what, RegisteredSystem):
        return what.name
    name = what.names.fi if isinstance(what, Organisation) else what.name
    return f"{name} ({what.valid_from} to {what.valid_to or 'further notice'})"
