"""`servicecert ca status`, `reconcile`, `retry` and `void`: what became of what was to be issued."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from servicecert_issuer.operator import reconciliation
from servicecert_issuer.operator import requests as wishes
from servicecert_issuer.operator.reconciliation import Difference, Published, Serials
from servicecert_issuer.operator.requests import StoppedCase
from servicecert_pki.authority import Authority
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.revocation import StandingChanged
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, CERTIFICATES
from servicecert_worker.decider import Change
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.addresses import cluster
from ..faults import UserError
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_table, say
from .options import FOLDER, yes
from .schema import in_schema


@click.command()
@click.option(
    "--ca-dir",
    envvar="SERVICECERT_CA_DIR",
    type=FOLDER,
    help="The folder of the CA: shows until when each is valid.",
)
@as_json
def status(ca_dir: Path | None, as_json: bool) -> None:
    """What was issued, what waits, and what was not issued and why.

    DATABASE_URL names the issuer's role or an administrator's. Counts the whole table.

    \b
    Examples:
      servicecert ca status
      servicecert ca status --json
    """

    async def look(connection: Any) -> tuple[list[Serials], dict[str, int], list[StoppedCase]]:
        serials = await reconciliation.count_serials(connection)
        return serials, await reconciliation.count_refused(connection), await wishes.find_stopped(connection)

    serials, refused, stopped = in_schema("issuer", look, snapshot=True)
    until = _valid_until(ca_dir)
    if as_json:
        cas = [{**asdict(each), "valid_until": until.get(each.issuer)} for each in serials]
        print_json({"cas": cas, "refused": refused, "stopped": [asdict(each) for each in stopped]})
        return
    _show_cas(serials, until)
    told = ", ".join(f"{count} {code}" for code, count in refused.items())
    click.echo(f"{sum(refused.values())} applications are refused{f': {told}' if told else ''}.")
    click.echo(f"{len(stopped)} applications are stopped.")
    for each in stopped:
        click.echo(f"  {each.key}  {each.since:%Y-%m-%d %H:%M}  {each.findings}")


@click.command()
@click.option("--published", is_flag=True, help="Also read the topics of certificates and standings, and compare.")
@as_json
def reconcile(published: bool, as_json: bool) -> None:
    """Prove that the books agree: allocated = issued + void + open.

    No certificate without its intention, none with other bytes or another serial number
    than intended, no intention that nobody will end or that is late; and the audit tells
    of each intention and each signature, and of no other. With --published
    also: each case is told with its recorded end, and what was void a day ago is revoked.
    Workers may go on meanwhile. Ends with exit code 1 where anything differs, and lists it.

    \b
    Examples:
      servicecert ca reconcile
      servicecert ca reconcile --published
    """
    told = interruption.run(_published(cluster())) if published else None

    async def compare(connection: Any) -> tuple[list[Serials], list[Difference]]:
        found = await reconciliation.differences(connection)
        if told is not None:
            found += await told.differences(connection)
        return await reconciliation.count_serials(connection), found

    serials, found = in_schema("issuer", compare, snapshot=True)
    if as_json:
        print_json(
            {
                "cas": [asdict(each) for each in serials],
                "published": None if told is None else told.told,
                "differences": [asdict(each) for each in found],
            }
        )
    else:
        for each in serials:
            click.echo(
                f"{each.issuer}: {each.allocated} allocated = {each.issued} issued + {each.void} void + {each.open} open"
            )
        if told is not None:
            click.echo(f"{told.told} ends of cases are published.")
        for line in reconciliation.sentences(found):
            click.echo(line)
        click.echo(f"{len(found)} differences.")
    if found:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("case_id", metavar="[CASE]", type=click.UUID, required=False)
@click.option("--all", "everything", is_flag=True, help="All that are stopped.")
@as_json
def retry(case_id: UUID | None, everything: bool, as_json: bool) -> None:
    """Try a stopped application anew, when what was found is mended.

    It gets a new serial number, and is checked again before anything is signed.

    \b
    Examples:
      servicecert ca retry 7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01
      servicecert ca retry --all
    """
    if (case_id is None) is not everything:
        raise click.UsageError("Name a case, or say --all.")

    async def ask(connection: Any) -> int:
        found = await wishes.find_stopped(connection, None if case_id is None else str(case_id))
        return await wishes.retry(connection, [each.key for each in found])

    count = in_schema("issuer", ask)
    if case_id is not None and not count:
        raise UserError(f"The case {case_id} is not stopped: see `servicecert ca status`.")
    say(as_json, {"retried": count}, f"{count} applications are tried anew.")


@click.command()
@click.argument("case_id", metavar="CASE", type=click.UUID)
@click.option("--reason", required=True, help="Why, for the record; name no person.")
@yes
@as_json
def void(case_id: UUID, reason: str, yes: bool, as_json: bool) -> None:
    """Give up an intention whose CA's key does not come back.

    Its serial number becomes void, and the customer is told to apply anew. Where the key
    signs it before, the certificate is issued and stays.

    \b
    Example:
      servicecert ca void 7d2c1c52-… --reason "the token is destroyed" --yes
    """
    if not yes:
        click.echo(f"The intention of {case_id} would be given up; add --yes to do it.")
        return

    async def ask(connection: Any) -> bool:
        return await wishes.give_up(connection, str(case_id), reason)

    if not in_schema("issuer", ask):
        raise UserError(f"Nothing of the case {case_id} waits for a key for longer than a minute.")
    say(as_json, {"void": str(case_id)}, f"The intention of {case_id} is given up, unless it is signed at this moment.")


async def _published(place: Cluster) -> Published:
    """What the topics tell of certificates and of their standings. Raises OperatorError."""
    told = Published()

    def take(change: Change) -> None:
        match change.data:
            case CertificateIssued() | CertificateVoided():
                told.take(change.data)
            case StandingChanged():
                told.hear(change.data)

    for topic in (CERTIFICATES, CERTIFICATE_STANDINGS):
        await kafka.read(place, topic, take)
    return told


def _show_cas(serials: list[Serials], until: Mapping[str, datetime]) -> None:
    now = datetime.now(UTC)
    head = ("CA", "until", "open", "oldest", "issued", "void", "last issued")
    rows = [
        (
            each.issuer,
            f"{until[each.issuer]:%Y-%m-%d}" if each.issuer in until else "-",
            str(each.open),
            "-" if each.open_since is None else _age((now - each.open_since).total_seconds()),
            str(each.issued),
            str(each.void),
            "-" if each.last_issued is None else f"{each.last_issued:%Y-%m-%d}",
        )
        for each in serials
    ]
    if rows:
        print_table(head, rows, right=frozenset({2, 3, 4, 5}))
        click.echo()


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _valid_until(ca_dir: Path | None) -> Mapping[str, datetime]:
    if ca_dir is None:
        return {}
    return {id: issuer.not_after for id, issuer in Authority.load(ca_dir).issuers.items()}
