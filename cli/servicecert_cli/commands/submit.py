"""`servicecert submit`: publish an application, as the e-service would."""

import os
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import click
from servicecert_schemas.application import Application, ApplicationSubmitted
from servicecert_schemas.customer import Customer
from servicecert_schemas.event import Assurance, CaseEvent, EventData
from servicecert_schemas.values import CertificateType, is_business_id

from ..connections import kafka
from ..connections.addresses import MAIL_FOLDER, cluster
from ..faults import UserError
from ..operations.applications import colleague, customer_of, example_text, read_application, read_csr
from ..terminal import interruption
from ..terminal.output import as_json, print_json
from .options import FILE, ID, one_of


@click.command()
@click.argument("path", metavar="[FILE]", required=False, type=FILE)
@click.option("--csr", "csr_path", type=FILE, help="The certificate request, PEM or DER; it may also follow later.")
@click.option(
    "--case", "case_id", type=ID, help="Add to this case: a FILE supplements it, a request alone is attached."
)
@click.option("--account", help="The customer account; the default is derived from the business id.")
@click.option("--user", default="user-1", show_default=True, help="The user who submits.")
@click.option(
    "--assurance",
    type=one_of(Assurance),
    default="substantial",
    show_default=True,
    help="How strongly the user is authenticated.",
)
@click.option(
    "--example", "example_type", type=one_of(CertificateType), help="Print an example application, and publish nothing."
)
@as_json
def command(
    path: Path | None,
    csr_path: Path | None,
    case_id: UUID | None,
    account: str | None,
    user: str,
    assurance: str,
    example_type: str | None,
    as_json: bool,
) -> None:
    """Publish an application, as the e-service would.

    FILE holds the form, in TOML or JSON. Prints the id of the case.
    KAFKA_BOOTSTRAP_SERVERS names the broker.

    Examples:
      servicecert submit --example server > server.toml
      openssl req -new -newkey rsa:3072 -nodes -keyout server.key \\
        -subj /CN=server -out server.csr
      servicecert submit server.toml --csr server.csr
      servicecert submit --case 0d9e… --account account-9900001-8 --csr late.csr
    """
    if example_type is not None:
        click.echo(example_text(CertificateType(example_type)), nl=False)
        return
    if path is None and (case_id is None or csr_path is None or account is None):
        raise click.UsageError(
            "Name a FILE, or a --case with its --account and a --csr to attach; --example prints a FILE."
        )
    application = None if path is None else read_application(path)
    csr = None if csr_path is None else read_csr(csr_path)
    if application is not None and account is None:
        if not is_business_id(business_id := application.applicant.business_id):
            sentence = f"{path}: applicant.business_id {business_id!r} has not the form or the check digit of one"
            raise UserError(f"{sentence}, so there is no account of it: correct it, or name an --account.", 65)
        account = customer_of(application).account_id
    customer = colleague(str(account), user, Assurance(assurance))
    event = _event(customer, case_id, application, csr)
    interruption.run(kafka.publish(cluster(), *_opening(customer, application, event), event))
    if as_json:
        print_json({"case_id": str(event.case_id), "account_id": customer.account_id, "type": event.TYPE})
        return
    click.echo(event.case_id)
    mails = f" Its mails come to {folder}." if (folder := os.environ.get(MAIL_FOLDER)) else ""
    click.echo(f"Follow it: servicecert watch {event.case_id}{mails and '.'}{mails}", err=True)


def _opening(customer: Customer, application: Application | None, event: CaseEvent) -> Sequence[EventData]:
    """Return the event that opens the account of a new application; it has no effect on an open account."""
    if application is None or not isinstance(event, ApplicationSubmitted):
        return ()
    business_id = application.applicant.business_id
    return (customer.opened(business_id, application.unit_long_name),) if is_business_id(business_id) else ()


def _event(customer: Customer, case_id: UUID | None, application: Application | None, csr: str | None) -> CaseEvent:
    """Return what the e-service publishes: an application, a supplement, or a certificate request alone."""
    if application is None:
        assert case_id is not None
        assert csr is not None
        return customer.attached(case_id, csr)
    if case_id is not None:
        return customer.supplemented(case_id, application, csr)
    return customer.submitted(uuid4(), application, csr)
