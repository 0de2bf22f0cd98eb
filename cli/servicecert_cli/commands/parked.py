"""`servicecert parked`: records that a service could not handle."""

import json
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.runtime import parking
from servicecert_worker.runtime.parking import ParkedRecord

from ..connections.addresses import cluster, database_url
from ..connections.schema import connected, in_schema
from ..faults import unknown
from ..operations import refilling
from ..terminal import interruption
from ..terminal.output import as_json, escaped, fields_of, print_facts, print_json, print_rows, print_text
from .options import ID, MOMENT, F, yes

_IDS = ("event_id", "key")


@click.group()
def command() -> None:
    """Records that a service could not handle.

    Each was parked with its reason. Later records of the same case wait behind it; other
    cases go on. DATABASE_URL names an operator, with --service.
    """


def selecting(function: F) -> F:
    """Add the options that select parked records."""
    for option in (
        click.option(
            "--before",
            type=MOMENT,
            help="First parked before: 2026-01-31 or 2026-01-31T12:00:00 (UTC), or with a zone.",
        ),
        click.option("--reason", help="With this reason, e.g. decide-raised."),
        click.option("--case", "key", help="Of this case (the record's key)."),
        click.option("--id", "event_id", type=ID, help="The event with this id."),
        click.option(
            "--service",
            type=click.Choice(SERVICES),
            help="The service; needed if DATABASE_URL is not a service's role.",
        ),
    ):
        function = option(function)
    return function


@command.command("list")
@selecting
@click.option("--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="At most this many.")
@as_json
def list_parked(service: str | None, limit: int, as_json: bool, **conditions: Any) -> None:
    """List parked records, oldest first.

    Examples:
      servicecert parked list --service intake
      servicecert parked list --service issuer --reason examine-raised --json
    """

    records = in_schema(service, lambda connection: _found(connection, acts=False, limit=limit, **conditions))
    rows = (
        (it.event_id, it.place, it.reason + (" (released)" if it.released else ""), it.waiting, it.first_at)
        for it in records
    )
    head = ("event", "from", "reason", "behind", "since (UTC)")
    sentence = f"{len(records)} records are parked{', or more; raise --limit' if len(records) == limit else ''}."
    print_rows(as_json, records, head, rows, sentence)


@command.command()
@click.argument("event_id", type=ID)
@click.option("--service", type=click.Choice(SERVICES), help="The service that parked it.")
@as_json
def show(event_id: UUID, service: str | None, as_json: bool) -> None:
    """Show one parked record with its value.

    The value can hold personal data. Control and invisible characters are shown escaped.

    Example:
      servicecert parked show --service intake 3f2b8c1e-…
    """

    async def work(connection: Any) -> tuple[list[ParkedRecord], bytes | None]:
        return await parking.find(connection, parking.Selection(event_id)), await parking.value(connection, event_id)

    records, value = in_schema(service, work)
    if not records:
        raise unknown("parked record", [event_id], see="`servicecert parked list`")
    facts = fields_of(records[0])
    text = None if value is None else value.decode(errors="backslashreplace")
    if as_json:
        print_json({**facts, "value": text})
        return
    print_facts(facts)
    click.echo()
    if not records[0].kept:
        text = "(not kept: too many records are parked; `servicecert parked replay` reads it from its topic)"
    print_text("(no value)" if text is None else _readable(text))


@command.command()
@selecting
@click.option("--all", "everything", is_flag=True, help="All parked records.")
@yes
@as_json
def replay(yes: bool, **options: Any) -> None:
    """Handle parked records again, and the records that wait behind them.

    Do this after the cause is fixed. An event that already had its effect does not have
    it twice.

    Examples:
      servicecert parked replay --service intake --reason decide-raised
      servicecert parked replay --service intake --reason decide-raised --yes
    """
    _act("replayed", _replay, yes=yes, **options)


@command.command()
@selecting
@click.option("--all", "everything", is_flag=True, help="All parked records.")
@yes
@as_json
def discard(yes: bool, **options: Any) -> None:
    """Drop parked records for good; the records behind them are handled.

    Example:
      servicecert parked discard --service intake --id 3f2b8c1e-… --yes
    """
    _act("discarded", parking.discard, yes=yes, **options)


async def _found(connection: Any, *, acts: bool, limit: int | None = None, **conditions: Any) -> list[ParkedRecord]:
    """Return the parked records that meet all conditions. Raises UserError if none has the id, or none is to act on."""
    records = await parking.find(connection, parking.Selection(**conditions, limit=limit))
    named = {name: value for name, value in conditions.items() if value is not None and (acts or name in _IDS)}
    given = [f"{name.replace('_', ' ')} {value}" for name, value in named.items()]
    if given and not records:
        reasons = {f"reason {each.reason}": None for each in await parking.find(connection, parking.Selection())}
        raise unknown("parked record with", [" and ".join(given)], list(reasons))
    return records


async def _replay(connection: Any, event_ids: list[UUID]) -> int:
    return await refilling.replay(connection, event_ids, cluster, lambda text: click.echo(escaped(text), err=True))


def _act(
    done: str,
    act: Callable[[Any, list[UUID]], Coroutine[None, None, int]],
    *,
    yes: bool,
    everything: bool,
    service: str | None,
    as_json: bool,
    **conditions: Any,
) -> None:
    if not everything and not any(conditions.values()):
        raise click.UsageError("Choose records: with --id, --case, --reason or --before, or --all.")

    async def work() -> tuple[list[ParkedRecord], int]:
        # Not in one transaction: of many records, those that are done stay done.
        async with connected(database_url(), service) as connection:
            records = await _found(connection, acts=True, **conditions)
            return records, await act(connection, [each.event_id for each in records]) if yes else 0

    records, count = interruption.run(work())
    sentence = f"{len(records)} records would be {done}; add --yes to do it."
    if yes:
        sentence = f"{count} records are {done}."
    rows = [] if yes else [(each.event_id, each.reason, each.waiting) for each in records]
    facts = {"selected": [each.event_id for each in records], done: count}
    print_rows(as_json, facts, ("event", "reason", "behind"), rows, sentence)


def _readable(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text
