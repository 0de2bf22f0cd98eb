"""`servicecert proposals`: the authority's own revocations, which two operators decide."""

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
"""Certificates a minute, where the operator names no other rate."""


@click.group()
def command() -> None:
    """The authority's own revocations, which two operators decide.

    One proposes, another confirms, each by a login of their own (`servicecert db
    operator`), which DATABASE_URL names. The revoker then revokes what is confirmed.
    """


@command.command()
@click.argument("cases", metavar="CASE…", nargs=-1, required=True, type=click.UUID)
@click.option("--why", required=True, help="A reference for the record, without names of persons.")
@click.option("--yes", is_flag=True, help="Propose it. Without this nothing is recorded.")
@as_json
def withdraw(cases: tuple[UUID, ...], why: str, yes: bool, as_json: bool) -> None:
    """Propose to withdraw the right to certificates (privilege-withdrawn).

    \b
    Example:
      servicecert proposals withdraw 0d9e6f5e-… --why "decision 2026/117" --yes
    """
    wanted = [str(case) for case in cases]
    counts, made = in_schema(
        "revoker",
        lambda connection: counted_or_proposed(
            connection, yes, "withdrawal", "privilege-withdrawn", why, wanted, rate=RATE
        ),
    )
    count = sum(row["certificates"] for row in counts)
    sentence = f"{count} certificates would be proposed for withdrawal; add --yes to do it."
    tell_proposed(made, as_json, {"certificates": count}, sentence)


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are done or dropped.")
@as_json
def list_proposals(everything: bool, as_json: bool) -> None:
    """List what is proposed and not done yet.

    \b
    Example:
      servicecert proposals list
    """
    found = in_schema("revoker", lambda connection: proposing.proposals(connection, everything=everything))
    if as_json:
        print_json([facts(each) for each in found])
        return
    rows = [
        (str(it.id), it.kind, it.reason, it.state, f"{it.ordered}/{it.total}", it.proposed_by, it.confirmed_by or "-")
        for it in found
    ]
    if rows:
        print_table(("proposal", "kind", "reason", "state", "ordered", "proposed by", "confirmed by"), rows)
    click.echo(f"{len(rows)} proposals.")


@command.command()
@click.argument("proposal", type=click.UUID)
@as_json
def show(proposal: UUID, as_json: bool) -> None:
    """Show one proposal, what it concerns, and how far it is carried out.

    \b
    Example:
      servicecert proposals show 3f2b8c1e-…
    """

    async def work(connection: Any) -> tuple[Proposal, list[Any], Any]:
        found = await proposing.proposal(connection, proposal)
        cases = await proposing.cases_of(connection, proposal)
        return found, await proposing.counts(connection, cases), await proposing.standings(connection, proposal)

    found, counts, standings = in_schema("revoker", work)
    if as_json:
        print_json({**facts(found), "concerns": counts, "standings": standings})
        return
    print_table(("", ""), [(name, str(fact)) for name, fact in facts(found).items() if fact is not None])
    if counts:
        click.echo()
        tell_counts(counts)
        click.echo("Standing now: " + ", ".join(f"{count} {name}" for name, count in sorted(standings.items())) + ".")


@command.command()
@click.argument("proposal", type=click.UUID)
@click.option("--yes", is_flag=True, help="Confirm it. Without this nothing is changed.")
@as_json
def confirm(proposal: UUID, yes: bool, as_json: bool) -> None:
    """Confirm what another operator proposed, or what the revoker stopped at.

    What is confirmed is carried out, and nothing takes it back.

    \b
    Example:
      servicecert proposals confirm 3f2b8c1e-… --yes
    """

    async def work(connection: Any) -> tuple[Proposal, bool]:
        found = await proposing.proposal(connection, proposal)
        return found, yes and await proposing.confirm(connection, proposal)

    found, done = in_schema("revoker", work)
    if not yes:
        sentence = f"{found.total} certificates would be revoked ({found.reason}); add --yes to confirm it."
    elif done:
        sentence = f"Confirmed: {found.total} certificates will be revoked, {found.rate} a minute."
    else:
        raise UserError(f"The proposal {proposal} is {found.state} already.")
    say(as_json, {"proposal": str(proposal), "certificates": found.total, "confirmed": done}, sentence)


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
    """What is told of a proposal."""
    return {"state": proposal.state, **asdict(proposal)}


async def counted_or_proposed(
    connection: Any, yes: bool, kind: str, reason: str, why: str, cases: list[str], **more: Any
) -> tuple[list[Any], Proposal | None]:
    """Counts the certificates of cases, and with `yes` proposes their revocation."""
    counts = await proposing.counts(connection, cases)
    return counts, await proposing.propose(connection, kind, reason, why, cases, **more) if yes else None


def tell_proposed(made: Proposal | None, as_json: bool, would: Mapping[str, Any], sentence: str) -> None:
    """Says what was recorded and what is next, or where nothing was, what would be."""
    if made is None:
        if would.get("counts") and not as_json:
            tell_counts(would["counts"])
        say(as_json, would, sentence)
        return
    confirm = f"servicecert proposals confirm {made.id} --yes"
    sentence = f"Proposed as {made.id}: {made.total} certificates. Another operator confirms it by `{confirm}`."
    say(as_json, facts(made), sentence)


def tell_counts(counts: list[Any]) -> None:
    """The certificates by type and CA."""
    rows = [(each["type"], each["issuer"], str(each["certificates"]), str(each["accounts"])) for each in counts]
    print_table(("type", "CA", "certificates", "accounts"), rows, right=frozenset({2, 3}))
