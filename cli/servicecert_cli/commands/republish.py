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
from ..operations.republishing import Counts, Place, republish
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_table
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
    if as_json:
        print_json([_facts(topic, count, yes=yes) for topic, count in counts.items()])
        return
    rows = [(topic, *map(str, (it.owed, it.in_topic, it.in_outbox, it.missing))) for topic, it in counts.items()]
    print_table(("topic", "owed", "in the topic", "in the outbox", "missing"), rows, right=frozenset({1, 2, 3, 4}))
    missing = sum(it.missing for it in counts.values())
    if yes:
        click.echo(f"\n{missing} events are in the outbox now: the workers of {service} publish them.")
    elif missing:
        click.echo(f"\n{missing} events are missing; add --yes to publish them.")


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


def _facts(topic: str, count: Counts, *, yes: bool) -> dict[str, object]:
    return {
        "topic": topic,
        "owed": count.owed,
        "in_topic": count.in_topic,
        "in_outbox": count.in_outbox,
        "missing": count.missing,
        "published": count.missing if yes else 0,
    }
