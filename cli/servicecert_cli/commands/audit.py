"""`servicecert audit`: the record of every decision and signature."""

import os
import sys
from collections import Counter
from pathlib import Path

import click
from rich.text import Text
from servicecert_schemas.operators import AuditCheckpoint
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.verification import Verified
from servicecert_worker.core.service_keys import read_public_keys

from ..connections.addresses import cluster, database_url
from ..faults import UserError
from ..operations import auditing
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_json_text, print_table, print_text
from ..terminal.printing import Printer, console
from .options import FILE, PUBLIC_KEYS


@click.group()
def command() -> None:
    """The record of every decision and signature.

    DATABASE_URL names a reader or an operator. docs/audit.md says what is recorded and what
    that proves.
    """


@command.command()
@click.option("--keys", **PUBLIC_KEYS)
@click.option("--exported", "file", type=FILE, help="A file that `audit export` wrote, instead of the topic.")
@click.option("--service", "services", multiple=True, type=click.Choice(SERVICES), help="Only this service.")
@as_json
def verify(keys: Path, file: Path | None, services: tuple[str, ...], as_json: bool) -> None:
    """Recompute all chains and compare them with the signed checkpoints.

    Lists each row that was changed, deleted, moved or forged; the exit code is then 1.
    Checkpoints are read from Kafka, or from --exported. Records that are no checkpoints
    signed by the service they name prove nothing: they are counted and ignored.

    Examples:
      servicecert audit verify --keys service-keys
      servicecert audit verify --keys service-keys --exported kept.jsonl --json
    """
    trusted = read_public_keys(keys)

    async def work() -> tuple[dict[str, Verified], Counter[str]]:
        topic = cluster() if file is None else None
        checkpoints = (
            auditing.read_exported(file, trusted) if file is not None else await auditing.exported(cluster(), trusted)
        )
        names = services or SERVICES
        if file is not None and (without := [name for name in names if not checkpoints.of(name)]):
            raise UserError(
                f"{file} holds no checkpoint signed by {', '.join(without)} and proves nothing about them: name a whole"
                " file of `audit export`, or other services by --service.",
                os.EX_DATAERR,
            )
        results = await auditing.verified(database_url(), names, trusted, checkpoints, _progress, topic)
        return results, checkpoints.ignored

    results, ignored = interruption.run(work())
    _progress("", 0)
    if as_json:
        print_json({**results, "ignored": ignored})
    else:
        _print(results)
        if ignored:
            about = f"Ignored {ignored.total()} records that are no checkpoints signed by the service they name"
            click.echo(f"\n{about}: {_counted(ignored)}.")
    if any(result.findings for result in results.values()):
        sys.exit(1)


def _print(results: dict[str, Verified]) -> None:
    rows = [
        (service, it.chains, it.rows, it.attested, it.checkpoints, len(it.findings)) for service, it in results.items()
    ]
    head = ("service", "chains", "rows", "attested", "checkpoints", "findings")
    print_table(head, rows)
    for service, result in results.items():
        for finding in result.findings:
            place = f" {finding.number}" if finding.number else ""
            print_text(f"\n{service}: {finding.kind}{place}" + (f" of {finding.chain}" if finding.chain else ""))
            print_text(f"  {finding.text}")
    count = sum(len(result.findings) for result in results.values())
    click.echo(f"\n{count} findings." if count else "\nNo row was changed, deleted, moved or forged.")


def _counted(ignored: Counter[str]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(ignored.items()))


def _progress(service: str, rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{service}: {rows} rows" if service else "\r\033[K", nl=False, err=True)


@command.command()
@click.argument("what", metavar="CASE|SERIAL")
@as_json
def show(what: str, as_json: bool) -> None:
    """Show what all services recorded about a case or certificate, in order of time.

    Examples:
      servicecert audit show 7b1f0c9e-…
      servicecert audit show 3A:F0:… --json
    """
    rows = interruption.run(auditing.history(database_url(), what))
    if not rows:
        raise UserError(f"Nothing is recorded about {what}: give a case id, or the serial number of a certificate.")
    if as_json:
        print_json(rows)
        return
    printer = Printer(console())
    for row in rows:
        (happened, facts), *effects = auditing.described(row)
        printer.line(f"{row.at:%Y-%m-%d %H:%M:%S.%f}"[:-3], Text(f"  {row.service:<9} {happened}"))
        for text in filter(None, (facts, *(f"{text}: {facts}" if facts else text for text, facts in effects))):
            printer.wrapped(" " * 25, Text(text))


@command.command()
def export() -> None:
    """Print the signed checkpoints, one JSON document a line. Keep them where nobody can change them.

    Example:
      servicecert audit export > new && mv new /media/write-once/2026-11-24.jsonl
    """
    printed: Counter[str] = Counter()

    def take(checkpoint: AuditCheckpoint) -> None:
        print_json_text(checkpoint.model_dump_json())
        printed[checkpoint.service] += 1

    ignored = interruption.run(auditing.read_topic(cluster(), take))
    if not printed:
        raise UserError("The topic holds no checkpoints: is SERVICECERT_TOPIC_PREFIX the one of the services?")
    click.echo(f"Exported {printed.total()} checkpoints: {_counted(printed)}.", err=True)
    if ignored:
        click.echo(f"Left out {ignored.total()} records that are no checkpoints: {_counted(ignored)}.", err=True)
