"""`servicecert keys`: the keys that applications came with."""

from pathlib import Path
from typing import Any

import click
from servicecert_intake.effects import shared_keys
from servicecert_intake.effects.shared_keys import SharedKeys

from ..connections.addresses import database_url
from ..connections.schema import connected
from ..operations import proposing, selection
from ..operations.proposing import Proposal
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_table
from .options import FILE
from .proposals import RATE, counted_or_proposed, tell_proposed
from .schema import in_schema


@click.group()
def command() -> None:
    """The keys that applications came with."""


@command.command("shared-primes")
@as_json
def shared_primes(as_json: bool) -> None:
    """Search all RSA keys ever seen for primes that two of them share.

    From such keys anybody computes the private ones. They are blocked at once: later
    applications with them are returned. Revoke the certificates of the cases that are
    named. Intake does the same each night. DATABASE_URL names intake's role, or an
    administrator's. Exit code 1 where any key shares a prime.

    \b
    Examples:
      servicecert keys shared-primes
      servicecert keys shared-primes --json
    """
    found, cases = interruption.run(_search())
    if as_json:
        told = [[{"key_sha256": key, "cases": cases.get(key, [])} for key in group] for group in found.groups]
        print_json({"searched": found.searched, "groups": told})
    else:
        click.echo(f"{found.searched} RSA keys are searched; {len(found.keys)} share a prime.")
        if found.groups:
            rows = [
                (str(number), key[:16], ", ".join(cases.get(key, [])) or "none accepted")
                for number, group in enumerate(found.groups, 1)
                for key in group
            ]
            print_table(("group", "key (SHA-256)", "cases"), rows)
    if found.groups:
        raise SystemExit(1)


async def _search() -> tuple[SharedKeys, dict[str, list[str]]]:
    """What a search finds, and by key the cases that were accepted with it."""
    cases: dict[str, list[str]] = {}
    async with connected(database_url(), "intake") as connection:
        found = await shared_keys.search(connection)
        for key, case, state in await shared_keys.cases_of(connection, found.keys):
            cases.setdefault(key, []).append(f"{case} ({state})")
    return found, cases


@command.command()
@as_json
def exposed(as_json: bool) -> None:
    """List the keys that are compromised, and what of them is still valid.

    \b
    Example:
      servicecert keys exposed
    """
    found = in_schema("revoker", proposing.compromised)
    if as_json:
        print_json(found)
        return
    if found:
        rows = [
            (it["key_sha256"], f"{it['since']:%Y-%m-%d %H:%M}", it["source"], str(it["revoked"]), str(it["valid"]))
            for it in found
        ]
        print_table(("key (SHA-256)", "since (UTC)", "by", "revoked", "valid"), rows, right=frozenset({3, 4}))
    click.echo(f"{len(found)} keys are compromised.")


@command.command()
@click.argument("file", type=FILE)
@click.option("--why", help="A reference for the record, without names of persons.")
@click.option("--yes", is_flag=True, help="Propose it. Without this nothing is recorded.")
@as_json
def block(file: Path, why: str | None, yes: bool, as_json: bool) -> None:
    """Propose to block a key for ever and to revoke all its certificates.

    FILE holds the key that was found: a certificate, a request, a public key, or the
    private key itself, which is not kept. Another operator confirms it. DATABASE_URL
    names the operator's own login.

    \b
    Examples:
      servicecert keys block leaked.pem
      servicecert keys block leaked.pem --why "found on a public server" --yes
    """
    if yes and not why:
        raise click.UsageError("Say --why, for the record.")
    key = selection.key_of_file(file)

    async def work(connection: Any) -> tuple[list[str], list[Any], Proposal | None]:
        cases = [case for case, _ in await selection.selected(connection, selection.Selection(key_sha256=key))]
        more = {"rate": RATE, "key_sha256": key}
        return cases, *await counted_or_proposed(connection, yes, "key", "key-exposed", str(why), cases, **more)

    cases, counts, made = in_schema("revoker", work)
    sentence = (
        f"The key {key} would be blocked for ever, and {len(cases)} certificates revoked; add --yes to propose it."
    )
    tell_proposed(made, as_json, {"key_sha256": key, "cases": cases, "counts": counts}, sentence)
