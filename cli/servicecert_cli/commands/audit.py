"""`servicecert audit`: the record of every decision and signature."""

import sys
from dataclasses import asdict
from pathlib import Path

import click
from servicecert_schemas.audit import AuditCheckpoint
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.checkpoints import make_keys, read_public_keys
from servicecert_worker.audit.verification import Verified

from ..connections.addresses import cluster, database_url
from ..faults import UserError
from ..operations import auditing
from ..terminal import interruption
from ..terminal.output import as_json, console, print_json, print_table, say
from .options import FILE, FOLDER


@click.group()
def command() -> None:
    """The record of every decision and signature.

    DATABASE_URL names a reader or an operator. docs/audit.md says what is recorded and what
    that proves.
    """


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--apart", is_flag=True, help="Put each service's keys into a folder with its name.")
@as_json
def init(folder: Path, apart: bool, as_json: bool) -> None:
    """Make the keys that sign checkpoints: <service>.key and <service>.pub for each.

    Give each service its own .key with SERVICECERT_AUDIT_KEY_FILE, on a machine that
    database administrators cannot read. Keep the .pub files for `audit verify`.

    \b
    Example:
      servicecert audit init audit-keys
    """
    paths = make_keys(folder, SERVICES, apart=apart)
    say(
        as_json,
        {"made": [str(path) for path in paths]},
        f"Made {len(paths)} files in {folder}. Give each service its own .key and no other.",
    )


@command.command()
@click.option(
    "--keys",
    envvar="SERVICECERT_AUDIT_KEYS",
    required=True,
    type=FOLDER,
    help="Folder of the public keys (*.pub), or SERVICECERT_AUDIT_KEYS.",
)
@click.option("--exported", "file", type=FILE, help="A file that `audit export` wrote, instead of the topic.")
@click.option("--service", "services", multiple=True, type=click.Choice(SERVICES), help="Only this service.")
@as_json
def verify(keys: Path, file: Path | None, services: tuple[str, ...], as_json: bool) -> None:
    """Recompute all chains and compare them with the signed checkpoints.

    Lists each row that was changed, deleted, moved or forged; the exit code is then 1.
    Checkpoints are read from Kafka, or from --exported.

    \b
    Examples:
      servicecert audit verify --keys audit-keys
      servicecert audit verify --keys audit-keys --exported kept.jsonl --json
    """
    trusted = read_public_keys(keys)

    async def work() -> dict[str, Verified]:
        topic = cluster() if file is None else None
        checkpoints = auditing.read_exported(file) if file is not None else await auditing.exported(cluster())
        return await auditing.verified(database_url(), services or SERVICES, trusted, checkpoints, _progress, topic)

    results = interruption.run(work())
    _progress("", 0)
    if as_json:
        print_json({service: asdict(result) for service, result in results.items()})
    else:
        _print(results)
    if any(result.findings for result in results.values()):
        sys.exit(1)


def _print(results: dict[str, Verified]) -> None:
    rows = [
        (service, str(it.chains), str(it.rows), str(it.attested), str(it.checkpoints), str(len(it.findings)))
        for service, it in results.items()
    ]
    head = ("service", "chains", "rows", "attested", "checkpoints", "findings")
    print_table(head, rows, right=frozenset(range(1, 6)))
    for service, result in results.items():
        for finding in result.findings:
            place = f" {finding.number}" if finding.number else ""
            click.echo(f"\n{service}: {finding.kind}{place}" + (f" of {finding.chain}" if finding.chain else ""))
            click.echo(f"  {finding.text}")
    count = sum(len(result.findings) for result in results.values())
    click.echo(f"\n{count} findings." if count else "\nNo row was changed, deleted, moved or forged.")


def _progress(service: str, rows: int) -> None:
    """Show the number of rows checked, on a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{service}: {rows} rows" if service else "\r\033[K", nl=False, err=True)


@command.command()
@click.argument("what", metavar="CASE|SERIAL")
@as_json
def show(what: str, as_json: bool) -> None:
    """Show what all services recorded about a case or certificate, in order of time.

    \b
    Examples:
      servicecert audit show 7b1f0c9e-…
      servicecert audit show 3A:F0:… --json
    """
    rows = interruption.run(auditing.history(database_url(), what))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    if not rows:
        raise UserError(f"Nothing is recorded about {what}: give a case id, or the serial number of a certificate.")
    out = console()
    for row in rows:
        (happened, facts), *effects = auditing.described(row)
        out.print(
            f"{row.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"  {row.service:<9} {happened}", markup=False, soft_wrap=True
        )
        for text in filter(None, (facts, *(f"{text}: {facts}" if facts else text for text, facts in effects))):
            for line in out.render_str(text, markup=False, emoji=False, highlight=False).wrap(out, out.width - 27):
                out.print(" " * 25, line, soft_wrap=True)


@command.command()
def export() -> None:
    """Print the signed checkpoints, one JSON document a line. Keep them where nobody can change them.

    \b
    Example:
      servicecert audit export > /media/write-once/2026-11-24.jsonl
    """
    checkpoints: list[AuditCheckpoint] = interruption.run(auditing.exported(cluster()))
    for checkpoint in checkpoints:
        click.echo(checkpoint.model_dump_json())
