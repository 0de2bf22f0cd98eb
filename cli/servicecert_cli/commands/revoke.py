"""`servicecert revoke`: request a revocation, as the e-service would."""

from datetime import datetime
from uuid import UUID

import click
from pydantic import ValidationError
from servicecert_schemas.revocation import REASONS, Notify, reason_named
from servicecert_schemas.serials import serial_readings
from servicecert_schemas.values import Language

from ..connections import kafka
from ..connections.addresses import cluster
from ..faults import UserError
from ..operations.applications import colleague, malformed
from ..operations.cases import newest
from ..terminal import interruption
from ..terminal.output import as_json, say
from .options import ID, MOMENT, one_of


@click.command()
@click.argument("case_id", metavar="CASE", type=ID)
@click.option("--serial", required=True, help="The certificate's serial number, hexadecimal or decimal.")
@click.option(
    "--reason",
    required=True,
    help="key-exposed, no-longer-needed or purpose-or-data-changed; its Swedish, Finnish or English words work too.",
)
@click.option("--account", help="The requesting customer account; the default is the case's.")
@click.option("--user", default="user-1", show_default=True, help="The requesting user.")
@click.option("--exposed-since", type=MOMENT, help="Since when the key may be exposed (UTC, or with a zone).")
@click.option("--explanation", help="The customer's explanation.")
@click.option("--notify", metavar="ADDRESS", help="Where the requesting user wants the mail about it.")
@click.option("--language", type=one_of(Language), help="The language of that mail; the default is the case's.")
@as_json
def command(
    case_id: UUID,
    serial: str,
    reason: str,
    account: str | None,
    user: str,
    exposed_since: datetime | None,
    explanation: str | None,
    notify: str | None,
    language: str | None,
    as_json: bool,
) -> None:
    """Request the revocation of a case's certificate.

    `servicecert watch CASE` shows whether it is granted. A revocation is final. For
    revocations by the authority see `servicecert proposals`.

    Example:
      servicecert revoke 0d9e6f5e-… --serial 5B:2F:52:CF:… --reason key-exposed
      servicecert revoke 0d9e6f5e-… --serial 5B:2F:52:CF:… --reason key-exposed \\
        --user colleague-2 --notify colleague@example.fi --language sv
    """
    chosen = reason_named(reason)
    if language is not None and notify is None:
        raise click.UsageError("--language is that of the mail to the --notify address: name one.")
    if not serial_readings(serial):
        raise UserError(f"{serial:.100} is no serial number: give the one that the mail and the case have.", 65)
    if chosen is None:
        raise click.BadParameter(f"use one of {', '.join(REASONS)}, or its words.", param_hint="--reason")

    async def work() -> str:
        account_id = account
        if account_id is None:
            case = await newest(cluster(), case_id)
            if case is None:
                raise UserError(f"The case {case_id} is unknown: correct its id, or name the --account.")
            account_id = case.account_id
        try:
            to = None if notify is None else Notify(email=notify, language=language)
            request = colleague(account_id, user).revocation(case_id, serial, chosen, explanation, exposed_since, to)
        except ValidationError as fault:
            raise malformed("The request is malformed", fault) from None
        await kafka.publish(cluster(), request)
        return str(request.request_id)

    request_id = interruption.run(work())
    say(as_json, {"case_id": str(case_id), "request_id": request_id}, f"The request {request_id} is published.")
    if not as_json:
        click.echo(f"Follow it: servicecert watch {case_id}", err=True)
