"""`servicecert keys`: the keys that applications came with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from servicecert_cli.output import as_json, print_json, print_table

if TYPE_CHECKING:
    from servicecert_intake.shared_keys import SharedKeys


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
    from servicecert_cli import interruption

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
    from servicecert_intake import shared_keys

    from servicecert_cli.addresses import database_url
    from servicecert_cli.schema import connected

    cases: dict[str, list[str]] = {}
    async with connected(database_url(), "intake") as connection:
        found = await shared_keys.search(connection)
        for key, case, state in await shared_keys.cases_of(connection, found.keys):
            cases.setdefault(key, []).append(f"{case} ({state})")
    return found, cases
