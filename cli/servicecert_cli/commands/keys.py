"""`servicecert keys`: the keys of applications."""

from pathlib import Path
from typing import Any

import click
from servicecert_intake.effects import shared_keys
from servicecert_intake.effects.shared_keys import SharedKeys

from ..connections.addresses import database_url
from ..connections.schema import connected, in_schema
from ..operations import proposing, selection
from ..operations.proposing import Proposal
from ..terminal import interruption
from ..terminal.output import as_json, print_rows
from .options import FILE
from .proposals import RATE, count_or_propose, report_proposal


@click.group()
def command() -> None:
    """The keys of applications: search, list and block weak or leaked ones."""


@command.command("shared-primes")
@as_json
def shared_primes(as_json: bool) -> None:
    """Search all known RSA keys for primes that two of them share.

    Anybody can compute the private keys of such a pair. They are blocked at once: later
    applications with them are returned. Revoke the certificates of the listed cases.
    Intake does the same search each night. DATABASE_URL names intake's role or an
    operator. The exit code is 1 if any key shares a prime.

    Examples:
      servicecert keys shared-primes
      servicecert keys shared-primes --json
    """
    shared, cases = interruption.run(_search(), doing="Searching")
    groups = [[{"key_sha256": key, "cases": cases.get(key, [])} for key in group] for group in shared.groups]
    rows = [
        (str(number), each["key_sha256"][:16], ", ".join(each["cases"]) or "none accepted")
        for number, group in enumerate(groups, 1)
        for each in group
    ]
    sentence = f"Searched {shared.searched} RSA keys; {len(shared.keys)} share a prime."
    facts = {"searched": shared.searched, "groups": groups}
    print_rows(as_json, facts, ("group", "key (SHA-256)", "cases"), rows, sentence)
    if groups:
        raise SystemExit(1)


async def _search() -> tuple[SharedKeys, dict[str, list[str]]]:
    cases: dict[str, list[str]] = {}
    async with connected(database_url(), "intake", patient=True) as connection:
        shared = await shared_keys.search(connection)
        for key, case, state in await shared_keys.cases_of(connection, shared.keys):
            cases.setdefault(key, []).append(f"{case} ({state})")
    return shared, cases


@command.command()
@as_json
def exposed(as_json: bool) -> None:
    """List the compromised keys, and how many of their certificates are still valid.

    Example:
      servicecert keys exposed
    """
    keys = in_schema("revoker", proposing.compromised, patient=True)
    rows = ((it["key_sha256"], it["since"], it["source"], it["revoked"], it["valid"]) for it in keys)
    head = ("key (SHA-256)", "since (UTC)", "by", "revoked", "valid")
    print_rows(as_json, keys, head, rows, f"{len(keys)} keys are compromised.")


@command.command()
@click.argument("file", type=FILE)
@click.option("--why", help="A reference for the audit. Do not name a person.")
@click.option("--yes", is_flag=True, help="Propose it. Without this nothing is stored.")
@as_json
def block(file: Path, why: str | None, yes: bool, as_json: bool) -> None:
    """Propose to block a key for good and to revoke all its certificates.

    FILE holds the key: a certificate, a request, a public key, or the private key, which
    is not stored. Another operator confirms the proposal. DATABASE_URL names the
    operator's own login.

    Examples:
      servicecert keys block leaked.pem
      servicecert keys block leaked.pem --why "found on a public server" --yes
    """
    if yes and not why:
        raise click.UsageError("Add --why with a reference for the audit.")
    key = selection.key_of_file(file)

    async def work(connection: Any) -> tuple[list[str], list[Any], Proposal | None]:
        cases = [case for case, _ in await selection.selected(connection, selection.Selection(key_sha256=key))]
        more = {"rate": RATE, "key_sha256": key}
        return cases, *await count_or_propose(connection, yes, "key", "key-exposed", str(why), cases, **more)

    cases, counts, stored = in_schema("revoker", work, patient=True)
    sentence = f"Would block the key {key} for good and revoke {len(cases)} certificates; add --yes to propose it."
    report_proposal(stored, as_json, {"key_sha256": key, "cases": cases, "counts": counts}, sentence)
