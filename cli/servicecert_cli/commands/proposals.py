"""`servicecert proposals`: revocations by the authority, which two operators decide."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import click
from servicecert_worker.storage import database

from ..connections.addresses import database_url
from ..connections.schema import in_schema
from ..faults import UserError
from ..operations import proposing
from ..operations.files import refuse_existing, write_private
from ..operations.operators import Credential, fingerprint, login_of, read_verifier
from ..operations.proposing import Proposal
from ..terminal.output import as_json, fields_of, print_facts, print_json, print_rows, print_table, say
from .options import FILE, ID

RATE = 600
"""Certificates a minute, unless the operator sets another rate."""

_CHANGES = {"add": "operator-added", "reset": "operator-reset", "remove": "operator-removed"}


@click.group()
def command() -> None:
    """Revocations by the authority, which two operators decide.

    One proposes, another confirms, each with their own login (see `servicecert db
    operator`) in DATABASE_URL. The revoker then revokes the certificates.
    """


@command.command()
@click.argument("cases", metavar="CASE…", nargs=-1, required=True, type=ID)
@click.option("--why", required=True, help="A reference for the audit. Do not name a person.")
@click.option("--yes", is_flag=True, help="Propose it. Without this nothing is stored.")
@as_json
def withdraw(cases: tuple[UUID, ...], why: str, yes: bool, as_json: bool) -> None:
    """Propose to withdraw the right to certificates (privilege-withdrawn).

    Example:
      servicecert proposals withdraw 0d9e6f5e-… --why "decision 2026/117" --yes
    """
    ids = [str(case) for case in cases]
    counts, stored = in_schema(
        "revoker",
        lambda connection: count_or_propose(connection, yes, "withdrawal", "privilege-withdrawn", why, ids, rate=RATE),
    )
    count = sum(row["certificates"] for row in counts)
    sentence = f"Would propose to withdraw {count} certificates; add --yes to do it."
    report_proposal(stored, as_json, {"certificates": count}, sentence)


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Include proposals that are done or dropped.")
@as_json
def list_proposals(everything: bool, as_json: bool) -> None:
    """List the proposals that are not done yet.

    Example:
      servicecert proposals list
    """
    proposals = in_schema("revoker", lambda connection: proposing.proposals(connection, everything=everything))
    rows = (
        (it.id, it.kind, it.reason or it.login, it.state, f"{it.ordered}/{it.total}", it.proposed_by, it.confirmed_by)
        for it in proposals
    )
    head = ("proposal", "kind", "reason", "state", "requested", "proposed by", "confirmed by")
    print_rows(as_json, [facts(each) for each in proposals], head, rows, f"{len(proposals)} proposals.")


@command.command()
@click.argument("proposal", type=ID)
@as_json
def show(proposal: UUID, as_json: bool) -> None:
    """Show one proposal, its certificates, and how many of them are revoked.

    Examples:
      servicecert proposals show 3f2b8c1e-…
      servicecert incident show 3f2b8c1e-…
    """

    async def work(connection: Any) -> tuple[Proposal, list[Any], Mapping[str, int]]:
        stored = await proposing.proposal(connection, proposal)
        cases = await proposing.cases_of(connection, proposal)
        return stored, await proposing.counts(connection, cases), await proposing.status_counts(connection, proposal)

    stored, counts, status_counts = in_schema("revoker", work)
    in_progress = status_counts.get("registered", 0) + status_counts.get("listed", 0)
    progress = {
        "certificates": stored.total,
        "requested": stored.ordered,
        "in_progress": in_progress,
        "revoked": status_counts.get("revoked", 0),
        "minutes_until_all_requested": round((stored.total - stored.ordered) / stored.rate, 1),
    }
    if stored.state == "done":
        progress["not_revoked"] = stored.total - progress["revoked"] - in_progress
    if as_json:
        print_json({**facts(stored), **progress, "concerns": counts, "standings": status_counts})
        return
    if stored.login is None:
        _print_progress(stored, progress)
    print_facts(facts(stored))
    if counts:
        click.echo()
        print_counts(counts)
        click.echo("Status now: " + ", ".join(f"{count} {name}" for name, count in sorted(status_counts.items())) + ".")


@command.command()
@click.argument("proposal", type=ID)
@click.option("--yes", is_flag=True, help="Confirm it. Without this option nothing is changed.")
@as_json
def confirm(proposal: UUID, yes: bool, as_json: bool) -> None:
    """Confirm another operator's proposal, or the revoker's for a compromised key.

    The certificates are then revoked. This cannot be undone.

    Example:
      servicecert proposals confirm 3f2b8c1e-… --yes
    """

    async def work(connection: Any) -> tuple[Proposal, bool]:
        stored = await proposing.proposal(connection, proposal)
        return stored, yes and await proposing.confirm(connection, proposal)

    stored, done = in_schema("revoker", work)
    if yes and not done:
        raise UserError(f"The proposal {proposal} is already {stored.state}: see `servicecert proposals list --all`.")
    sentence = _about_login(stored, done) if stored.login is not None else _about_certificates(stored, done)
    say(as_json, {"proposal": str(proposal), "certificates": stored.total, "confirmed": done}, sentence)


@command.command()
@click.argument("proposal", type=ID)
@as_json
def drop(proposal: UUID, as_json: bool) -> None:
    """Drop a proposal that is not confirmed.

    Example:
      servicecert proposals drop 3f2b8c1e-…
    """
    if not in_schema("revoker", lambda connection: proposing.drop(connection, proposal)):
        raise UserError(f"There is no unconfirmed proposal {proposal}: see `servicecert proposals list`.")
    say(as_json, {"proposal": str(proposal), "dropped": True}, "Dropped.")


@command.command()
@click.argument("name")
@click.option("--out", type=FILE, required=True, help="Write your DATABASE_URL here.")
def credential(name: str, out: Path) -> None:
    """Make a new password for your own login, which nobody else ever sees.

    DATABASE_URL gives host and database; its user does not matter, and nothing is
    connected. Give FILE.verifier to who proposes it, and read the number that is printed
    aloud to who confirms it. FILE works once that is done; until then keep the old one.

    Example:
      servicecert proposals credential carla --out carla-url
    """
    url = database_url()
    login = login_of(urlsplit(url).path.lstrip("/"), name)
    made = Credential.new()
    file = out.with_name(f"{out.name}.verifier")
    refuse_existing(file)
    write_private(out, f"DATABASE_URL={database.url_of(url, login, made.password)}\n".encode())
    write_private(file, made.verifier.encode())
    click.echo(f"Your login is in {out}, what others may have is in {file}.")
    click.echo(f"Verifier: {fingerprint(made.verifier)}")


@command.command()
@click.argument("change", type=click.Choice(["add", "reset", "remove"]))
@click.argument("name")
@click.option(
    "--verifier", "file", type=FILE, help="The file that the login's person made with `proposals credential`."
)
@click.option("--certificate", is_flag=True, help="It logs in by a client certificate alone, without a password.")
@click.option("--why", required=True, help="A reference for the audit. Do not name a person.")
@as_json
def operator(change: str, name: str, file: Path | None, certificate: bool, why: str, as_json: bool) -> None:
    """Propose to make, reset or remove an operator's login.

    Another operator confirms it, as any proposal; the database then changes the login.
    The person whose login it is makes the password, see `proposals credential`.

    Examples:
      servicecert proposals operator add carla --verifier carla-url.verifier \\
        --why "ticket 12"
      servicecert proposals operator remove bertil --why "has left"
    """
    if (change == "remove") + (file is not None) + certificate != 1:
        raise click.UsageError(
            "give --verifier FILE or --certificate to add or reset a login, and neither to remove it"
        )
    verifier = None if file is None else read_verifier(file)
    stored = in_schema(
        "revoker", lambda connection: proposing.propose_operator(connection, _CHANGES[change], name, verifier, why)
    )
    report_proposal(stored, as_json, {}, "")


@command.command()
@as_json
def operators(as_json: bool) -> None:
    """List the operators, and those who were.

    Example:
      servicecert proposals operators
    """
    rows = in_schema("revoker", proposing.operators)
    table = ((it["login"], f"{it['since']:%Y-%m-%d}", it["proposal"], f"{it['removed_at'] or '-':.10}") for it in rows)
    print_rows(as_json, rows, ("login", "since", "by proposal", "removed"), table)


def _print_progress(stored: Proposal, progress: Mapping[str, float]) -> None:
    click.echo(
        f"{stored.state}: revocation requested for {stored.ordered} of {stored.total} certificates:"
        f" {progress['in_progress']} in progress, {progress['revoked']} revoked and published."
    )
    if stored.state == "running":
        click.echo(
            f"At {stored.rate} a minute, all are requested in {progress['minutes_until_all_requested']} minutes."
        )
    if stored.state == "done" and progress["not_revoked"]:
        click.echo(f"{progress['not_revoked']} are not revoked: they had expired, or are still pending.")


def _about_certificates(stored: Proposal, done: bool) -> str:
    if done:
        return f"Confirmed: {stored.total} certificates will be revoked, {stored.rate} a minute."
    return f"{stored.total} certificates would be revoked ({stored.reason}); add --yes to confirm it."


def _about_login(stored: Proposal, done: bool) -> str:
    what = f"login {stored.login} {'is' if done else 'would be'} {stored.kind.removeprefix('operator-')}"
    if done:
        return f"Confirmed: the {what}."
    if stored.verifier_sha256 is None:
        return f"The {what}; add --yes to confirm it."
    return f"The {what}, with the verifier {stored.verifier_sha256}: ask its person for that number, then add --yes."


def facts(proposal: Proposal) -> dict[str, Any]:
    return {"state": proposal.state, **fields_of(proposal)}


async def count_or_propose(
    connection: Any, yes: bool, kind: str, reason: str, why: str, cases: list[str], **more: Any
) -> tuple[list[Any], Proposal | None]:
    """Count the certificates of cases, and with `yes` propose their revocation. Raises UserError."""
    await proposing.require_valid(connection, cases)
    counts = await proposing.counts(connection, cases)
    return counts, await proposing.propose(connection, kind, reason, why, cases, **more) if yes else None


def report_proposal(stored: Proposal | None, as_json: bool, preview: Mapping[str, Any], sentence: str) -> None:
    """Print what was proposed and the next step, or the preview if nothing was stored."""
    if stored is None:
        if preview.get("counts") and not as_json:
            print_counts(preview["counts"])
        say(as_json, preview, sentence)
        return
    confirm = f"servicecert proposals confirm {stored.id} --yes"
    what = stored.login or f"{stored.total} certificates"
    sentence = f"Proposed as {stored.id}: {what}. Another operator confirms it with `{confirm}`."
    say(as_json, facts(stored), sentence)


def print_counts(counts: list[Any]) -> None:
    rows = [(each["type"], each["issuer"], each["certificates"], each["accounts"]) for each in counts]
    print_table(("type", "CA", "certificates", "accounts"), rows)
