"""`servicecert mail`: preview the mails to customers, look up their state, send them again."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import click
from email_validator import EmailNotValidError, validate_email
from servicecert_notifier.domain.ledger import resend_id
from servicecert_notifier.domain.task import MailState
from servicecert_notifier.operator import mails as ledger
from servicecert_schemas.mail import MailKind

from ..connections.addresses import database_url
from ..connections.schema import connected, in_schema
from ..faults import UserError, unknown
from ..operations.files import file_errors
from ..operations.mail_preview import write_preview
from ..terminal import interruption
from ..terminal.output import as_json, fields_of, print_facts, print_json, print_rows, say
from .options import ID, MOMENT, folder, one_of, yes

_STANDARD_INPUT = "-"
_LONGEST_REASON = 500
_MOST = 10_000
_LIST = "`servicecert mail list`"


@click.group()
def command() -> None:
    """The mails to customers: preview them, look up their state, send them again."""


@command.command("list")
@click.option("--case", "case_id", type=ID, help="Of this case.")
@click.option("--state", type=one_of(MailState), metavar="STATE", help=f"In this state: {', '.join(MailState)}.")
@click.option("--kind", type=one_of(MailKind), metavar="KIND", help="Of this kind, e.g. certificate-issued.")
@click.option("--since", type=MOMENT, help="Planned since: 2026-01-31 or 2026-01-31T12:00:00 (UTC), or with a zone.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most this many.")
@as_json
def list_mails(limit: int, as_json: bool, **conditions: Any) -> None:
    """List mails, the newest first.

    Recipients are shown by their role: addresses are not stored with mails. DATABASE_URL
    names an operator.

    Examples:
      servicecert mail list --state deferred
      servicecert mail list --case 7b1f0c9e-5d47-4a8e-8d21-b6a7c2e4f905
    """
    mails = in_schema("notifier", lambda connection: ledger.find(connection, limit=limit, **conditions), patient=True)
    if not mails and conditions["case_id"] is not None:
        raise unknown("such mail of the case", [conditions["case_id"]], see=_LIST)
    rows = (
        (it.mail_id, it.kind, it.recipient, it.state, it.bounce or it.answer or None, it.attempts, it.planned_at)
        for it in mails
    )
    head = ("mail", "kind", "recipient", "state", "answer", "tries", "planned (UTC)")
    sentence = f"{len(mails)} mails{' at most; raise --limit for more' if len(mails) == limit else ''}."
    print_rows(as_json, mails, head, rows, sentence)


@command.command()
@click.argument("mail_id", metavar="MAIL", type=ID)
@as_json
def show(mail_id: UUID, as_json: bool) -> None:
    """Show one mail: its times, and the mail server's answer.

    Only the answer's code is stored: the server's text can repeat addresses.

    Example:
      servicecert mail show 3f2b8c1e-…
    """
    mails = in_schema("notifier", lambda connection: ledger.find(connection, mail_id=mail_id))
    if not mails:
        raise unknown("mail", [mail_id], see=_LIST)
    if as_json:
        print_json(mails[0])
    else:
        print_facts(fields_of(mails[0]))


@command.command()
@click.argument("mail_id", metavar="[MAIL]", type=ID, required=False)
@click.option("--reason", required=True, help="Why, for the audit. Do not name a person.")
@click.option(
    "--to", "address", metavar="ADDRESS", help="Send to this address from now on; - reads it from standard input."
)
@click.option(
    "--refused-since",
    type=MOMENT,
    help="All mails that a mail server refused since: 2026-01-31 or 2026-01-31T12:00:00 (UTC), or with a zone.",
)
@click.option(
    "--relay", metavar="HOST", help="With --refused-since: refused by this mail server, as host or host:port."
)
@yes
@as_json
def resend(
    mail_id: UUID | None,
    reason: str,
    address: str | None,
    refused_since: datetime | None,
    relay: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send a mail again, as a new mail; or all refused ones, with --yes.

    The notifier sends it, so it must run. A mail that is still retried is superseded by
    the new one; one that is being sent now cannot be sent again yet. Other users of this
    machine can see an address in the command line: use --to - instead.

    With --refused-since, the mails are counted first, by kind and domain; with --yes they
    are sent. Mails that were sent again before, or that a later mail of their case makes
    outdated, are left out: a second call sends nothing twice.

    Examples:
      servicecert mail resend 3f2b8c1e-… --reason "the mailbox was full"
      servicecert mail resend 3f2b8c1e-… --reason "misspelt" --to - < address
      servicecert mail resend --refused-since 2026-01-31 --reason "no relaying"
      servicecert mail resend --refused-since 2026-01-31 --relay mail.example.fi \\
        --reason "no relaying" --yes
    """
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise click.UsageError(f"--reason: give a reason of 1 to {_LONGEST_REASON} characters.")
    if (mail_id is None) == (refused_since is None):
        raise click.UsageError("Choose the mails: one MAIL, or --refused-since.")
    if refused_since is None:
        if relay is not None or yes:
            raise click.UsageError("--relay and --yes need --refused-since.")
        _resend_one(cast(UUID, mail_id), reason.strip(), address, as_json=as_json)
    else:
        if address is not None:
            raise click.UsageError("--to needs one MAIL.")
        mails, requested = interruption.run(_resend_refused(refused_since, relay, reason.strip(), yes=yes))
        _report(mails, requested, yes=yes, as_json=as_json)


async def _resend_refused(
    since: datetime, relay: str | None, reason: str, *, yes: bool
) -> tuple[Sequence[ledger.RefusedMail], int]:
    async with connected(database_url(), "notifier") as connection:
        mails = await ledger.refused_mails(connection, since, relay)
        if relay is not None and not mails:
            refused = await ledger.find(connection, state="refused", limit=_MOST)
            servers = {str(row.relay) for row in refused}
            if not any(relay in (server, server.rpartition(":")[0]) for server in servers):
                raise unknown("refused mail of the mail server", [relay], sorted(servers))
        sendable = [mail for mail in mails if mail.obstacle is None]
        return mails, await ledger.resend(connection, sendable, reason) if yes else 0


def _report(mails: Sequence[ledger.RefusedMail], requested: int, *, yes: bool, as_json: bool) -> None:
    """Print what is or would be sent, by kind and domain, without local parts (E3)."""
    counts = Counter((mail.kind, f"***@{mail.domain}") for mail in mails if mail.obstacle is None)
    obstacles = Counter(str(mail.obstacle) for mail in mails if mail.obstacle is not None)
    facts = {
        "selected": [{"kind": kind, "to": to, "mails": number} for (kind, to), number in sorted(counts.items())],
        "left": obstacles,
        "requested": requested,
    }
    sentences = [f"{number} mails are left out: {obstacle}." for obstacle, number in obstacles.items()]
    if yes:
        sentences.append(f"{requested} mails will be sent again: see `servicecert mail list`.")
    else:
        sentences.append(f"{counts.total()} mails would be sent again; add --yes to do it.")
    rows = ((*about, number) for about, number in sorted(counts.items()))
    print_rows(as_json, facts, ("kind", "to", "mails"), rows, "\n".join(sentences))


def _resend_one(mail_id: UUID, reason: str, address: str | None, *, as_json: bool) -> None:
    if address is not None:
        address = _checked(sys.stdin.readline() if address == _STANDARD_INPUT else address)
    identity = uuid4()

    async def work(connection: Any) -> ledger.MailRow:
        mails = await ledger.find(connection, mail_id=mail_id)
        if not mails:
            raise unknown("mail", [mail_id], see=_LIST)
        (mail,) = mails
        if mail.state == "planned":
            raise UserError(
                f"The mail {mail_id} is being sent: look again with `servicecert mail show {mail_id}`.", os.EX_TEMPFAIL
            )
        if not mail.can_be_resent:
            raise UserError(
                f"The mail {mail_id} cannot be sent again: its content was erased, or is of an older version."
                " Contact the customer another way."
            )
        await ledger.request(connection, [(identity, mail.case_id, mail_id)], reason, address)
        return mail

    mail = in_schema("notifier", work)
    again = resend_id(identity)
    say(
        as_json,
        {"mail": str(mail_id), "case": str(mail.case_id), "again": str(again)},
        f"The mail will be sent again as {again}, to the {mail.recipient}: see `servicecert mail show {again}`.",
    )


@command.command()
@folder("var/mails", "Folder for the pages; it is created if missing.")
def preview(folder: Path) -> None:
    """Write a page of all kinds of mails in all languages, with sample data.

    Open index.html in a browser. Each mail is also there as a page, as text, and as a
    whole mail (.eml) for a mail program. Nothing is sent.

    Examples:
      servicecert mail preview
      servicecert mail preview --folder /tmp/mails
    """
    with file_errors("written", folder, "choose another --folder"):
        count = write_preview(folder)
    click.echo(f"Wrote {count} mails to {folder / 'index.html'}")


def _checked(address: str) -> str:
    """Return the address as a mail server gets it. Raises `click.UsageError`, which does not quote it."""
    try:
        valid = validate_email(address.strip(), check_deliverability=False)
    except EmailNotValidError:
        raise click.UsageError("--to: this is not an e-mail address; write it as name@domain.") from None
    return f"{valid.local_part}@{valid.ascii_domain}"
