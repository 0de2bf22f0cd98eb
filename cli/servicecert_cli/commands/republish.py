"""`servicecert republish`: publish again what a service's tables owe to topics that Kafka has lost."""

from datetime import datetime
from importlib import import_module
from pathlib import Path

import click
from servicecert_pki.authority import Authority
from servicecert_schemas.topics import SERVICES
from servicecert_worker.audit.owing import Books
from servicecert_worker.core.service_keys import read_key, read_public_keys
from servicecert_worker.core.signatures import Signer

from ..connections.addresses import cluster, database_url
from ..faults import UserError
from ..operations.republishing import Place, republish
from ..terminal import interruption
from ..terminal.output import as_json, fields_of, print_rows
from .options import FILE, FOLDER, MOMENT, PUBLIC_KEYS


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option("--yes", is_flag=True, help="Publish what is missing. Without this option nothing is changed.")
@click.option("--since", type=MOMENT, help="Leave out older events of topics that do not keep all for ever.")
@click.option("--keys", **PUBLIC_KEYS)
@click.option(
    "--key",
    envvar="SERVICECERT_SERVICE_KEY_FILE",
    type=FILE,
    help="The service's own key, to sign with --yes, or SERVICECERT_SERVICE_KEY_FILE.",
)
@click.option(
    "--ca-dir", envvar="SERVICECERT_CA_DIR", type=FOLDER, help="Folder of the CA, for the issuer: no key is opened."
)
@as_json
def command(
    service: str,
    yes: bool,
    since: datetime | None,
    keys: Path,
    key: Path | None,
    ca_dir: Path | None,
    as_json: bool,
) -> None:
    """Compare a service's topics with its tables, and publish what is missing.

    For topics that Kafka has lost. What is missing goes through the service's outbox:
    its workers publish it, running or when they start. Readers that know it already
    pass it over. May be run again, also while the service runs. DATABASE_URL names the
    service's own role.

    \b
    Examples:
      servicecert republish intake --keys service-keys
      servicecert republish intake --keys service-keys --key intake.key --yes
    """
    if yes and key is None:
        raise UserError("Name the service's key by --key or SERVICECERT_SERVICE_KEY_FILE: readers believe no other.")
    signer = Signer(service, read_key(key)) if yes and key is not None else None
    place = Place(service, database_url(), cluster(), read_public_keys(keys))
    moment = {} if since is None else {"since": since}
    counts = interruption.run(republish(place, _books(service, ca_dir), signer, **moment))
    facts = [{"topic": topic, **fields_of(it), "published": it.missing if yes else 0} for topic, it in counts.items()]
    rows = ((topic, *fields_of(it).values()) for topic, it in counts.items())
    sentence = ""
    if missing := sum(it.missing for it in counts.values()):
        sentence = f"\n{missing} events are missing; add --yes to publish them."
    if yes:
        sentence = f"\n{missing} events are in the outbox now: the workers of {service} publish them."
    print_rows(as_json, facts, ("topic", "owed", "in the topic", "in the outbox", "missing"), rows, sentence)


def _books(service: str, ca_dir: Path | None) -> tuple[Books, ...]:
    module = import_module(f"servicecert_{service}.operator.owing")
    books: tuple[Books, ...]
    if service != "issuer":
        books = module.BOOKS
        return books
    if ca_dir is None:
        raise UserError(
            "Name the folder of the CA by --ca-dir or SERVICECERT_CA_DIR: the issuer's events have its certificates."
        )
    books = module.books(Authority.load(ca_dir))
    return books
