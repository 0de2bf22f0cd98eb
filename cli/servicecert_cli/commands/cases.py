"""`servicecert cases`: the cases of an account, and all facts of one, from the topic `cases` alone."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import click
from servicecert_pki.validity import HELSINKI
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.open_list import value_of
from servicecert_schemas.values import Language

from ..connections.addresses import cluster
from ..faults import UserError, unknown
from ..operations.cases import newest, of_account
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_rows
from ..terminal.printing import STYLES, Printer, console, fingerprint, relative_names
from .options import ID, language


@click.group(invoke_without_command=True)
@click.option("--account", help="List the cases of this customer account.")
@as_json
@click.pass_context
def command(context: click.Context, account: str | None, as_json: bool) -> None:
    """List the cases of a customer account, the newest first.

    From the topic `cases` alone, without erased cases. Times are Helsinki's. The page of
    the customer is the e-service's: `make portal` in a checkout starts one.

    Examples:
      servicecert cases --account account-9900001-8
      servicecert cases open 0d9e6f5e-4c1b-4a7e-9a27-6f1d2f0c5b11 --language fi
    """
    if context.invoked_subcommand is not None:
        return
    if account is None:
        raise click.UsageError("Name an --account to list its cases, or `open` a CASE.")
    cases = interruption.run(of_account(cluster(), account))
    if not cases:
        raise unknown(
            "case of the account",
            [account],
            see="`servicecert cases open CASE --json` for its id, such as account-9900001-8",
        )
    rows = [
        (it.case_id, it.state, it.acts_next, _at(it.history[0].at), it.type, it.applied_for.names[0]) for it in cases
    ]
    head = ("case", "state", "acts next", "begun", "type", "for")
    print_rows(as_json, [case.model_dump(mode="json") for case in cases], head, rows)


@command.command("open")
@click.argument("case_id", metavar="CASE", type=ID)
@language
@as_json
def opened(case_id: UUID, language: str | None, as_json: bool) -> None:
    """Show all that the customer can know of one case.

    State, who acts next, what to correct, certificate, revocation, mails and history.
    `servicecert watch` follows the case, `servicecert revoke` requests the revocation.

    Example:
      servicecert cases open 0d9e6f5e-4c1b-4a7e-9a27-6f1d2f0c5b11
    """
    case = interruption.run(newest(cluster(), case_id))
    if case is None:
        raise UserError(f"The case {case_id} is unknown: list an account's cases with `servicecert cases --account …`.")
    if as_json:
        print_json(case.model_dump(mode="json"))
        return
    printer = Printer(console())
    for label, value in facts(case, case.language if language is None else Language(language)):
        printer.fact(label, value, value_of(STYLES, case.state, "") if label == "state" else "")
    printer.deficiencies(case.deficiencies)


def facts(case: CaseChanged, language: Language) -> Iterator[tuple[str, str]]:
    """Yield each fact of a case but its deficiencies, labelled, with texts in the language."""
    applied, certificate, revocation = case.applied_for, case.certificate, case.revocation
    yield "case", str(case.case_id)
    yield "account", case.account_id
    yield "applicant", f"{applied.business_id}, {applied.unit_long_name}"
    yield "for", "\n".join((case.type, *applied.names))
    if applied.customer_reference:
        yield "reference", applied.customer_reference
    yield "state", case.state
    yield "acts next", case.acts_next
    yield "next", case.next_step.in_language(language)
    if case.due:
        yield "due", _at(case.due)
    if case.lapses:
        yield "lapses", _at(case.lapses)
    if case.answer:
        yield "answer", f"{case.answer.code}: {case.answer.texts.in_language(language)}"
    if case.renewal:
        warning = [case.renewal.key_reused] if case.renewal.key_reused else []
        texts = [*(each.texts for each in case.renewal.differences), *warning]
        yield "renews", "\n".join((case.renewal.serial, *(each.in_language(language) for each in texts)))
    if certificate:
        yield "serial", certificate.serial
        yield "decimal", certificate.serial_decimal
        yield "subject", relative_names(certificate.subject).replace("2.5.4.5=", "serialNumber=")
        yield "valid", f"{_at(certificate.not_before)} to {_at(certificate.not_after)}"
        yield "issuer", certificate.issuer
        yield "SHA-256", fingerprint(certificate.fingerprint)
    if revocation:
        moments = (revocation.requested_at, revocation.revoked_at, revocation.published_at)
        named = zip(("requested", "revoked", "published"), moments, strict=True)
        yield "revocation", "\n".join((revocation.reason, *(f"{_at(at)}  {what}" for what, at in named if at)))
    for mail in case.deliveries:
        outcome = "" if mail.delivered else f": {mail.problem or 'not delivered'}"
        yield "mail", f"{_at(mail.at)}  {mail.kind} to {mail.recipient}{outcome}"
    yield "history", "\n".join(f"{_at(entry.at)}  {entry.state}" for entry in case.history)


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(HELSINKI):%Y-%m-%d %H:%M}"
