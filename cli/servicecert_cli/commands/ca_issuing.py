"""`servicecert ca status`, `reconcile`, `recheck`, `retry`, `void`: the state of issuing, and the way out of faults."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from servicecert_issuer.effects.recheck import BadCertificate, next_part
from servicecert_issuer.operator import reconciliation, requests
from servicecert_issuer.operator.reconciliation import Difference, PublishedOutcomes, Serials
from servicecert_issuer.operator.requests import StoppedCase
from servicecert_pki.authority import Authority
from servicecert_revoker.operator import reconciliation as revoked
from servicecert_revoker.operator.reconciliation import Discrepancy, PublishedResponders, Signatures
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.event import Change
from servicecert_schemas.responder import ResponderCertified
from servicecert_schemas.revocation import StandingChanged
from servicecert_schemas.topics import CERTIFICATE_STANDINGS, CERTIFICATES, OCSP_RESPONDERS
from servicecert_worker.kafka.cluster import Cluster

from ..connections import kafka
from ..connections.addresses import cluster, database_url
from ..connections.schema import connected, in_schema
from ..faults import UserError
from ..terminal import interruption
from ..terminal.output import as_json, fields_of, print_json, print_rows, print_text, say
from ..watching.doctor.domain.check import period
from .ceremony_options import directory
from .options import FOLDER, ID, yes


@click.command()
@click.option(
    "--ca-dir", envvar="SERVICECERT_CA_DIR", type=FOLDER, help="Folder of the CA: shows until when each CA is valid."
)
@as_json
def status(ca_dir: Path | None, as_json: bool) -> None:
    """Show what was issued, what is open, and what was refused or stopped, and why.

    DATABASE_URL names an operator. Counts the whole table. Until when a CA is
    valid, only --ca-dir tells.

    Examples:
      servicecert ca status
      servicecert ca status --json
    """

    async def read(connection: Any) -> tuple[list[Serials], dict[str, int], list[StoppedCase]]:
        serials = await reconciliation.count_serials(connection)
        return serials, await reconciliation.count_refused(connection), await requests.find_stopped(connection)

    serials, refused, stopped = in_schema("issuer", read, snapshot=True)
    cas = {} if ca_dir is None else Authority.load(ca_dir).issuers
    now = datetime.now(UTC)
    until = {id: issuer.not_after for id, issuer in cas.items()}
    facts = [{**fields_of(each), "valid_until": until.get(each.issuer)} for each in serials]
    rows = [
        (
            each.issuer,
            until[each.issuer].date() if each.issuer in until else None,
            each.open,
            each.open_since and period(max(0.0, (now - each.open_since).total_seconds())),
            each.issued,
            each.void,
            each.last_issued and each.last_issued.date(),
        )
        for each in serials
    ]
    codes = ", ".join(f"{count} {code}" for code, count in refused.items())
    sentences = [
        *(["A CA that has issued nothing is not listed.\n"] if rows else []),
        f"{sum(refused.values())} applications are refused{f': {codes}' if codes else ''}.",
        f"{len(stopped)} applications are stopped.",
        *(f"  {each.key}  {each.since:%Y-%m-%d %H:%M}  {each.findings}" for each in stopped),
    ]
    head = ("CA", "until", "open", "oldest", "issued", "void", "last issued")
    print_rows(as_json, {"cas": facts, "refused": refused, "stopped": stopped}, head, rows, "\n".join(sentences))


@click.command()
@click.option("--published", is_flag=True, help="Also compare with the topics of certificates and standings.")
@as_json
def reconcile(published: bool, as_json: bool) -> None:
    """Check that the records agree: allocated = issued + void + open.

    Every certificate has its intent, with the same bytes and serial number; no intent is
    abandoned or late; the audit has each intent and each signature, and no other, and
    intake's has accepted each application. With --published also: each case is published
    with its recorded result, and a serial number that is void for a day is revoked.
    Workers may run meanwhile. Lists the differences; the exit code is then 1.

    DATABASE_URL names a reader or an operator. The certificates of OCSP responders are
    compared too, and what each CA signed is counted: compare that with the log of your
    HSM.

    Examples:
      servicecert ca reconcile
      servicecert ca reconcile --published
    """
    topics, responders = interruption.run(_published(cluster())) if published else (None, PublishedResponders())

    async def compare_revoker(connection: Any) -> tuple[list[Signatures], list[Discrepancy]]:
        found = await revoked.discrepancies(connection) + await responders.discrepancies(connection)
        return await revoked.count_signatures(connection), found

    async def compare(connection: Any) -> tuple[list[Serials], list[Difference]]:
        found = await reconciliation.differences(connection) + await reconciliation.not_accepted(connection)
        if topics is not None:
            found += await topics.differences(connection)
        return await reconciliation.count_serials(connection), found

    serials, found = in_schema("issuer", compare, snapshot=True)
    counted, others = in_schema("revoker", compare_revoker, snapshot=True)
    signatures = _signatures(serials, counted)
    differences: list[Difference | Discrepancy] = [*found, *others]
    if as_json:
        print_json(
            {
                "cas": serials,
                "signatures": signatures,
                "published": None if topics is None else topics.count,
                "differences": differences,
            }
        )
    else:
        for each in serials:
            sums = f"{each.allocated} allocated = {each.issued} issued + {each.void} void + {each.open} open"
            click.echo(f"{each.issuer}: {sums}")
        for issuer, counts in signatures.items():
            click.echo(f"{issuer}: signed {', '.join(f'{count} {what}' for what, count in counts.items())}")
        if topics is not None:
            click.echo(f"{topics.count} results of cases are published.")
        for difference in differences:
            print_text(f"{difference.key} {difference.words}")
        click.echo(f"{len(differences)} differences.")
    if differences:
        raise click.exceptions.Exit(1)


@click.command()
@directory
@click.option(
    "--part", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Certificates at a time."
)
@as_json
def recheck(folder: Path, part: int, as_json: bool) -> None:
    """Verify and lint every issued certificate, as the issuer does each night.

    DATABASE_URL names the issuer's role or an operator. Continues a run that was
    stopped, also one of the issuer. The exit code is 1 if a certificate is bad.

    Examples:
      servicecert ca recheck ca
      servicecert ca recheck ca --json
    """
    good, bad, bad_certificates = interruption.run(_check_all(Authority.load(folder), part, quiet=as_json))
    found = [
        {"issuer": it.issuer, "serial": it.serial, "case_id": it.key, "codes": list(it.codes)}
        for it in bad_certificates
    ]
    rows = ((it.issuer, it.serial, " ".join(it.codes)) for it in bad_certificates)
    facts, sentence = {"good": good, "bad": bad, "found": found}, f"{good} certificates are good, {bad} bad."
    print_rows(as_json, facts, ("CA", "serial number", "findings"), rows, sentence)
    if bad:
        raise SystemExit(1)


@click.command()
@click.argument("case_id", metavar="[CASE]", type=ID, required=False)
@click.option("--all", "everything", is_flag=True, help="All stopped applications.")
@as_json
def retry(case_id: UUID | None, everything: bool, as_json: bool) -> None:
    """Retry a stopped application, after its cause is fixed.

    It gets a new serial number, and is checked again before anything is signed.

    Examples:
      servicecert ca retry 7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01
      servicecert ca retry --all
    """
    if (case_id is None) is not everything:
        raise click.UsageError("Name a case, or use --all.")

    async def work(connection: Any) -> int:
        stopped = await requests.find_stopped(connection, None if case_id is None else str(case_id))
        return await requests.retry(connection, [each.key for each in stopped])

    count = in_schema("issuer", work)
    if case_id is not None and not count:
        raise UserError(f"The case {case_id} is not stopped: see `servicecert ca status`.")
    say(as_json, {"retried": count}, f"{count} applications are tried again.")


@click.command()
@click.argument("case_id", metavar="CASE", type=ID)
@click.option("--reason", required=True, help="Why, for the audit. Do not name a person.")
@yes
@as_json
def void(case_id: UUID, reason: str, yes: bool, as_json: bool) -> None:
    """Give up an intent whose CA key is lost.

    Its serial number becomes void, and the customer is asked to apply again. If the key
    signs it first, the certificate is issued and stays valid.

    Example:
      servicecert ca void 7d2c1c52-… --reason "the token is destroyed" --yes
    """

    async def work(connection: Any) -> bool:
        asked = connection.transaction()
        await asked.start()
        found = await requests.give_up(connection, str(case_id), reason)
        await (asked.commit() if yes else asked.rollback())
        return found

    if not in_schema("issuer", work):
        raise UserError(
            f"No intent of the case {case_id} has waited for a key for over a minute: see `servicecert ca status`."
        )
    if not yes:
        say(as_json, {"void": None}, f"Would give up the intent of {case_id}; add --yes to do it.")
        return
    say(as_json, {"void": str(case_id)}, f"Gave up the intent of {case_id}, unless it is being signed at this moment.")


async def _check_all(authority: Authority, part: int, *, quiet: bool) -> tuple[int, int, list[BadCertificate]]:
    """Return the counts of the whole run, and the bad certificates among those checked now."""
    bad_certificates: list[BadCertificate] = []
    async with connected(database_url(), "issuer") as connection:
        while True:
            progress = await next_part(connection, authority, part)
            bad_certificates += progress.found
            if progress.ended:
                return progress.good, progress.bad, bad_certificates
            if not quiet:
                click.echo(f"{progress.good + progress.bad} checked, {progress.bad} of them bad …", err=True)


def _signatures(serials: list[Serials], signatures: list[Signatures]) -> dict[str, dict[str, int]]:
    """Return what each CA's key signed, by the books. A key may have signed what is void, and a repeat twice."""
    issued = {each.issuer: (each.issued, each.void) for each in serials}
    others = {each.issuer: (each.responders, each.crls) for each in signatures}
    names = ("certificates", "void", "responders", "CRLs")
    return {
        issuer: dict(zip(names, (*issued.get(issuer, (0, 0)), *others.get(issuer, (0, 0))), strict=True))
        for issuer in sorted({*issued, *others})
    }


async def _published(kafka_cluster: Cluster) -> tuple[PublishedOutcomes, PublishedResponders]:
    """Return what the topics hold about certificates, standings and responders. Raises OperatorError."""
    published, responders = PublishedOutcomes(), PublishedResponders()

    def take(change: Change) -> None:
        match change.data:
            case CertificateIssued() | CertificateVoided():
                published.add_outcome(change.data)
            case StandingChanged():
                published.add_standing(change.data)
            case ResponderCertified():
                responders.add(change.data)

    for topic in (CERTIFICATES, CERTIFICATE_STANDINGS, OCSP_RESPONDERS):
        await kafka.read(kafka_cluster, topic, take)
    return published, responders
