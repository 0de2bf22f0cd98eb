"""`servicecert proposals`: revocations by the authority, which two operators decide."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click

from ..faults import UserError
from ..operations import proposing
from ..operations.proposing import Proposal
from ..terminal.output import as_json, print_json, print_table, say
from .schema import in_schema

RATE = 600
"""Certificates a minute, unless the operator sets another rate."""


@click.group()
def command() -> None:
    """Revocations by the authority, which two operators decide.

    One proposes, another confirms, each with their own login (see `servicecert db
    operator`) in DATABASE_URL. The revoker then revokes the certificates.
    """


@command.command()
@click.argument("cases", metavar="CASE…", nargs=-1, required=True, type=click.UUID)
@click.option("--why", required=True, help="A reference for the audit. Do not name a person.")
@click.option("--yes", is_flag=True, help="Propose it. Without this nothing is stored.")
@as_json
def withdraw(cases: tuple[UUID, ...], why: str, yes: bool, as_json: bool) -> None:
    """Propose to withdraw the right to certificates (privilege-withdrawn).

    \b
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

    \b
    Example:
      servicecert proposals list
    """
    proposals = in_schema("revoker", lambda connection: proposing.proposals(connection, everything=everything))
    if as_json:
        print_json([facts(each) for each in proposals])
        return
    rows = [
        (str(it.id), it.kind, it.reason, it.state, f"{it.ordered}/{it.total}", it.proposed_by, it.confirmed_by or "-")
        for it in proposals
    ]
    if rows:
        print_table(("proposal", "kind", "reason", "state", "requested", "proposed by", "confirmed by"), rows)
    click.echo(f"{len(rows)} proposals.")


@command.command()
@click.argument("proposal", type=click.UUID)
@as_json
def show(proposal: UUID, as_json: bool) -> None:
    """Show one proposal, its certificates, and how many of them are revoked.

    \b
    Example:
      servicecert proposals show 3f2b8c1e-…
    """

    async def work(connection: Any) -> tuple[Proposal, list[Any], Any]:
        stored = await proposing.proposal(connection, proposal)
        cases = await proposing.cases_of(connection, proposal)
        return stored, await proposing.counts(connection, cases), await proposing.status_counts(connection, proposal)

    stored, counts, status_counts = in_schema("revoker", work)
    if as_json:
        print_json({**facts(stored), "concerns": counts, "standings": status_counts})
        return
    print_table(("", ""), [(name, str(fact)) for name, fact in facts(stored).items() if fact is not None])
    if counts:
        click.echo()
        print_counts(counts)
        click.echo("Status now: " + ", ".join(f"{count} {name}" for name, count in sorted(status_counts.items())) + ".")


@command.command()
@click.argument("proposal", type=click.UUID)
@click.option("--yes", is_flag=True, help="Confirm it. Without this option nothing is changed.")
@as_json
def confirm(proposal: UUID, yes: bool, as_json: bool) -> None:
    """Confirm another operator's proposal, or the revoker's for a compromised key.

    The certificates are then revoked. This cannot be undone.

    \b
    Example:
      servicecert proposals confirm 3f2b8c1e-… --yes
    """

    async def work(connection: Any) -> tuple[Proposal, bool]:
        stored = await proposing.proposal(connection, proposal)
        return stored, yes and await proposing.confirm(connection, proposal)

    stored, done = in_schema("revoker", work)
    if not yes:
        sentence = f"{stored.total} certificates would be revoked ({stored.reason}); add --yes to confirm it."
    elif done:
        sentence = f"Confirmed: {stored.total} certificates will be revoked, {stored.rate} a minute."
    else:
        raise UserError(f"The proposal {proposal} is already {stored.state}: see `servicecert proposals list --all`.")
    say(as_json, {"proposal": str(proposal), "certificates": stored.total, "confirmed": done}, sentence)


@command.command()
@click.argument("proposal", type=click.UUID)
@as_json
def drop(proposal: UUID, as_json: bool) -> None:
    """Drop a proposal that is not confirmed.

    \b
    Example:
      servicecert proposals drop 3f2b8c1e-…
    """
    if not in_schema("revoker", lambda connection: proposing.drop(connection, proposal)):
        raise UserError(f"There is no unconfirmed proposal {proposal}: see `servicecert proposals list`.")
    say(as_json, {"proposal": str(proposal), "dropped": True}, "Dropped.")


def facts(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON and tables show it."""
    return {"state": proposal.state, **asdict(proposal)}


async def count_or_propose(
    connection: Any, yes: bool, kind: str, reason: str, why: str, cases: list[str], **more: Any
) -> tuple[list[Any], Proposal | None]:
    """Count the certificates of cases, and with `yes` propose their revocation."""
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
    sentence = f"Proposed as {stored.id}: {stored.total} certificates. Another operator confirms it with `{confirm}`."
    say(as_json, facts(stored), sentence)


def print_counts(counts: list[Any]) -> None:
    """Print the certificates by type and CA."""
    rows = [(each["type"], each["issuer"], str(each["certificates"]), str(each["accounts"])) for each in counts]
    print_table(("type", "CA", "certificates", "accounts"), rows, right=frozenset({2, 3}))
