"""`servicecert cases`: the customer's page, from the topic `cases` alone."""

from uuid import UUID

import click
from servicecert_schemas.values import Language

from ..connections.addresses import cluster
from ..e_service.cases import newest, of_account
from ..e_service.page import Page
from ..faults import UserError, unknown
from ..terminal import interruption
from ..terminal.output import as_json, print_json
from ..terminal.printing import console
from .options import ID, language


@click.group(invoke_without_command=True)
@click.option("--account", help="List the cases of this customer account.")
@language
@as_json
@click.pass_context
def command(context: click.Context, account: str | None, language: str | None, as_json: bool) -> None:
    """Granted permits and unfinished matters of a customer account.

    As the e-service shows them to the customer, from the topic `cases` alone. Erased
    cases are not shown.

    \b
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
    if as_json:
        print_json([case.model_dump(mode="json") for case in cases])
        return
    Page(console(), cases[0].language if language is None else Language(language)).listed(account, cases)


@command.command("open")
@click.argument("case_id", metavar="CASE", type=ID)
@language
@as_json
def opened(case_id: UUID, language: str | None, as_json: bool) -> None:
    """Open one case: the decision with its certificate, or what to correct.

    Also shows the case's history, and the command that requests revocation.

    \b
    Example:
      servicecert cases open 0d9e6f5e-4c1b-4a7e-9a27-6f1d2f0c5b11
    """
    case = interruption.run(newest(cluster(), case_id))
    if case is None:
        raise UserError(f"The case {case_id} is unknown: list an account's cases with `servicecert cases --account …`.")
    if as_json:
        print_json(case.model_dump(mode="json"))
        return
    Page(console(), case.language if language is None else Language(language)).opened(case)
