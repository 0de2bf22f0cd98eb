"""`servicecert incident`: select many certificates, propose their revocation, and follow it to the end."""

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from servicecert_schemas.revocation import RevocationReason
from servicecert_schemas.values import CertificateType

from ..connections.schema import in_schema
from ..faults import UserError
from ..operations import proposing, selection
from ..operations.files import file_errors
from ..terminal.output import as_json
from .options import FILE, MOMENT, one_of
from .proposals import RATE, count_or_propose, report_proposal, show

FASTEST = 20_000
"""Certificates a minute: the revoker's highest rate (500 a turn, about one turn a second)."""


@click.group()
def command() -> None:
    """Revoke many certificates after an incident.

    Select them with `plan`, propose the plan, let another operator confirm it, and follow
    it with `show`. The revoker revokes at the chosen rate, also across restarts. The
    recipients get a mail once the CRL is published and OCSP answers `revoked`.
    DATABASE_URL names the operator's own login.
    """


command.add_command(show)


@command.command()
@click.option("--serials", type=FILE, help="A file of serial numbers, one a line.")
@click.option(
    "--key", "key_sha256", metavar="SHA-256", help="With this public key: SHA-256 of its SubjectPublicKeyInfo."
)
@click.option("--key-file", type=FILE, help="With the key in this certificate, request or key file.")
@click.option("--ca", "issuer", help="Of this CA, e.g. production-ec.")
@click.option("--type", type=one_of(CertificateType), help="Of this type.")
@click.option("--profile", help="Issued with this profile.")
@click.option("--profile-version", type=click.IntRange(0), help="Issued with this version of its profile.")
@click.option("--issued-from", type=MOMENT, help="Issued at this time or later (UTC, or with a zone).")
@click.option("--issued-until", type=MOMENT, help="Issued before this time (UTC, or with a zone).")
@click.option("--account", help="Of this customer account.")
@click.option("--out", type=FILE, required=True, help="Write the plan here.")
@as_json
def plan(
    serials: Path | None, key_sha256: str | None, key_file: Path | None, out: Path, as_json: bool, **conditions: Any
) -> None:
    """Select valid certificates and write them to a plan. Nothing is changed.

    Selects the certificates that meet all given conditions.

    Examples:
      servicecert incident plan --serials lost.txt --out plan.json
      servicecert incident plan --ca test-ec --profile-version 2 \\
        --issued-from 2026-11-01 --issued-until 2026-11-08 --out plan.json
    """
    if key_sha256 is not None and key_file is not None:
        raise click.UsageError("Use --key or --key-file, not both.")
    lines = {} if serials is None else selection.read_serials(serials)
    chosen = selection.Selection(
        serials=None if serials is None else tuple(chain.from_iterable(lines.values())),
        key_sha256=key_sha256 if key_file is None else selection.key_of_file(key_file),
        **conditions,
    )
    if not chosen.conditions():
        raise click.UsageError("Choose certificates: give at least one condition.")

    async def work(connection: Any) -> tuple[list[tuple[str, str]], list[Any]]:
        certificates = await selection.selected(connection, chosen)
        if lines or not certificates:
            await selection.require_known(connection, chosen, lines)
        if not certificates:
            raise UserError("No valid certificate meets all conditions: no plan is written.")
        return certificates, await proposing.counts(connection, [case for case, _ in certificates])

    certificates, counts = in_schema("revoker", work, patient=True)
    content = {
        "selection": chosen.conditions(),
        "counts": counts,
        "certificates": [{"case": case, "serial": serial} for case, serial in certificates],
    }
    with file_errors("written", out, "name another file"):
        out.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    facts = {"plan": str(out), "certificates": len(certificates), "counts": counts}
    report_proposal(None, as_json, facts, f"Wrote {len(certificates)} valid certificates to {out}; nothing is changed.")


@command.command()
@click.argument("plan", type=FILE)
@click.option(
    "--reason", type=one_of(RevocationReason), required=True, metavar="REASON", help=", ".join(RevocationReason) + "."
)
@click.option("--why", required=True, help="A reference for the audit. Do not name a person.")
@click.option("--rate", type=click.IntRange(1, FASTEST), default=RATE, show_default=True, help="Certificates a minute.")
@click.option("--yes", is_flag=True, help="Propose it. Without this nothing is stored.")
@as_json
def propose(plan: Path, reason: str, why: str, rate: int, yes: bool, as_json: bool) -> None:
    """Propose a plan; another operator confirms it.

    Example:
      servicecert incident propose plan.json --reason key-exposed --rate 600 \\
        --why "incident 7" --yes
    """
    cases = _cases(plan)
    counts, stored = in_schema(
        "revoker", lambda connection: count_or_propose(connection, yes, "incident", reason, why, cases, rate=rate)
    )
    minutes = len(cases) / rate
    sentence = f"Would propose to revoke {len(cases)} certificates in {minutes:.0f} minutes; add --yes to do it."
    report_proposal(stored, as_json, {"certificates": len(cases), "counts": counts}, sentence)


def _cases(plan: Path) -> list[str]:
    try:
        with file_errors("read", plan, "name the plan"):
            content = json.loads(plan.read_text(encoding="utf-8"))
        cases = [str(UUID(each["case"])) for each in content["certificates"]]
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{plan} is not a plan: write one with `servicecert incident plan --out {plan}`.", os.EX_DATAERR
        ) from None
    if not cases:
        raise UserError(f"{plan} has no certificate: nothing would be revoked.", os.EX_DATAERR)
    return cases
