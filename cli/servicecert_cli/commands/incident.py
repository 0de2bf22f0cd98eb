"""`servicecert incident`: many certificates that are to be revoked, selected, proposed, and followed until they are."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.values import CertificateType

from ..faults import UserError
from ..operations import proposing, selection
from ..operations.files import can_be
from ..operations.proposing import Proposal
from ..terminal.output import as_json, print_json
from .options import FILE, MOMENT, one_of
from .proposals import RATE, counted_or_proposed, tell_counts, tell_proposed
from .schema import in_schema

FASTEST = 20_000
"""Certificates a minute: as fast as the revoker orders them (500 a turn, a turn each second or a little more)."""


@click.group()
def command() -> None:
    """Revoke many certificates after an incident.

    Select them (`plan`, which changes nothing), propose the plan, have another operator
    confirm it, and follow it with `show`. The revoker carries it out at the chosen rate,
    whatever is stopped or started meanwhile; the owners are told by mail, each after the
    CRL. DATABASE_URL names the operator's own login.
    """


@command.command()
@click.option("--serials", type=FILE, help="A file of serial numbers, one a line.")
@click.option(
    "--key", "key_sha256", metavar="SHA-256", help="Of this public key, by the SHA-256 of its SubjectPublicKeyInfo."
)
@click.option("--key-file", type=FILE, help="Of the key in this certificate, request or key file.")
@click.option("--ca", "issuer", help="Of this CA, e.g. production-ec.")
@click.option("--type", type=one_of(CertificateType), help="Of this type.")
@click.option("--profile", help="Made by this profile.")
@click.option("--profile-version", type=click.IntRange(0), help="Made by this version of its profile.")
@click.option("--issued-from", type=MOMENT, help="Issued then or later (UTC, or with a zone).")
@click.option("--issued-until", type=MOMENT, help="Issued before then (UTC, or with a zone).")
@click.option("--account", help="Of this customer account.")
@click.option("--out", type=FILE, required=True, help="Write the plan here.")
@as_json
def plan(
    serials: Path | None, key_sha256: str | None, key_file: Path | None, out: Path, as_json: bool, **conditions: Any
) -> None:
    """Select valid certificates and write them to a plan. Nothing is changed.

    What is selected meets every condition that is given.

    \b
    Examples:
      servicecert incident plan --serials lost.txt --out plan.json
      servicecert incident plan --ca test-ec --profile-version 2 \\
        --issued-from 2026-11-01 --issued-until 2026-11-08 --out plan.json
    """
    if key_sha256 is not None and key_file is not None:
        raise click.UsageError("Name the key by --key or by --key-file.")
    chosen = selection.Selection(
        serials=None if serials is None else selection.read_serials(serials),
        key_sha256=key_sha256 if key_file is None else selection.key_of_file(key_file),
        **conditions,
    )
    if not chosen.said():
        raise click.UsageError("Say which certificates: give at least one condition.")

    async def work(connection: Any) -> tuple[list[tuple[str, str]], list[Any]]:
        found = await selection.selected(connection, chosen)
        return found, await proposing.counts(connection, [case for case, _ in found])

    found, counts = in_schema("revoker", work)
    written = {
        "selection": chosen.said(),
        "counts": counts,
        "certificates": [{"case": case, "serial": serial} for case, serial in found],
    }
    with can_be("written", out, "name another file"):
        out.write_text(json.dumps(written, indent=1, default=str) + "\n", encoding="utf-8")
    if as_json:
        print_json({"plan": str(out), "certificates": len(found), "counts": counts})
        return
    tell_counts(counts)
    click.echo(f"{len(found)} valid certificates are in {out}; nothing is changed.")


@command.command()
@click.argument("plan", type=FILE)
@click.option(
    "--reason", type=one_of(RevocationReason), required=True, metavar="REASON", help=", ".join(RevocationReason) + "."
)
@click.option("--why", required=True, help="A reference for the record, without names of persons.")
@click.option("--rate", type=click.IntRange(1, FASTEST), default=RATE, show_default=True, help="Certificates a minute.")
@click.option("--yes", is_flag=True, help="Propose it. Without this nothing is recorded.")
@as_json
def propose(plan: Path, reason: str, why: str, rate: int, yes: bool, as_json: bool) -> None:
    """Propose a plan; another operator confirms it.

    \b
    Example:
      servicecert incident propose plan.json --reason key-exposed --rate 600 \\
        --why "incident 7" --yes
    """
    cases = _cases(plan)
    counts, made = in_schema(
        "revoker", lambda connection: counted_or_proposed(connection, yes, "incident", reason, why, cases, rate=rate)
    )
    sentence = (
        f"{len(cases)} certificates would be proposed, to be revoked in {len(cases) / rate:.0f} minutes; add --yes."
    )
    tell_proposed(made, as_json, {"certificates": len(cases), "counts": counts}, sentence)


@command.command()
@click.argument("proposal", type=click.UUID)
@as_json
def show(proposal: UUID, as_json: bool) -> None:
    """Tell how far an incident is carried out, and at its end what came of it.

    \b
    Example:
      servicecert incident show 3f2b8c1e-…
    """

    async def work(connection: Any) -> tuple[Proposal, Any]:
        return await proposing.proposal(connection, proposal), await proposing.standings(connection, proposal)

    found, standings = in_schema("revoker", work)
    revoked = standings.get("revoked", 0)
    under_way = standings.get("registered", 0) + standings.get("listed", 0)
    left = found.total - found.ordered
    told = {
        "state": found.state,
        "certificates": found.total,
        "ordered": found.ordered,
        "under_way": under_way,
        "revoked": revoked,
        "not_revoked": found.total - revoked - under_way,
        "minutes_left": round(left / found.rate, 1),
        "proposed_by": found.proposed_by,
        "confirmed_by": found.confirmed_by,
        "confirmed_at": found.confirmed_at,
        "done_at": found.done_at,
    }
    if as_json:
        print_json(told)
        return
    click.echo(
        f"{found.state}: of {found.total} certificates {found.ordered} are ordered, {under_way} under way, {revoked} revoked and told."
    )
    if found.state == "running":
        click.echo(f"At {found.rate} a minute the rest is ordered in {told['minutes_left']} minutes.")
    if found.state == "done":
        click.echo(
            f"Proposed by {found.proposed_by}, confirmed by {found.confirmed_by} at {found.confirmed_at:%Y-%m-%d %H:%M:%S},"
            f" all ordered at {found.done_at:%Y-%m-%d %H:%M:%S} (UTC). {told['not_revoked']} are not revoked: they had expired, or still wait."
        )


def _cases(plan: Path) -> list[str]:
    try:
        with can_be("read", plan, "name the plan"):
            content = json.loads(plan.read_text(encoding="utf-8"))
        return [str(UUID(each["case"])) for each in content["certificates"]]
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{plan} is no plan: write one by `servicecert incident plan --out {plan}`.", os.EX_DATAERR
        ) from None
