"""`servicecert republish`: publish again what a service's topics have lost."""

from pathlib import Path

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.service_keys import read_key, read_public_keys
from servicecert_worker.core.signatures import Signer

from ..connections.addresses import cluster, database_url
from ..operations.republishing import IN_TOPIC, MISSING, WAITING, Place, republish
from ..terminal import interruption
from ..terminal.output import as_json, print_rows
from .options import FILE, PUBLIC_KEYS

_HEAD = ("topic", "in the topic", "in the outbox", "missing")


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option("--yes", is_flag=True, help="Publish what is missing. Without this option nothing is changed.")
@click.option("--keys", **PUBLIC_KEYS)
@click.option(
    "--key",
    envvar="SERVICECERT_SERVICE_KEY_FILE",
    type=FILE,
    help="The service's own key, to sign anew what no key in --keys has signed, or SERVICECERT_SERVICE_KEY_FILE.",
)
@as_json
def command(service: str, yes: bool, keys: Path, key: Path | None, as_json: bool) -> None:
    """Compare a service's topics with its tables, and publish what is missing.

    For topics that Kafka has lost, or that came back from an older copy. The tables keep
    what was published. What is missing goes through the service's outbox: its workers
    publish it as it was, running or when they start. Readers that know it already pass it
    over. May be run again, also while the service runs. DATABASE_URL names the service's
    own role.

    Examples:
      servicecert republish intake --keys service-keys
      servicecert republish intake --keys service-keys --yes
    """
    place = Place(service, database_url(), cluster(), read_public_keys(keys))
    signer = Signer(service, read_key(key)) if yes and key is not None else None
    counts = interruption.run(republish(place, signer, act=yes), doing="Reading the topics")
    places = (IN_TOPIC, WAITING, MISSING)
    facts = [
        {"topic": topic, **{name: found[name] for name in places}, "published": found[MISSING] if yes else 0}
        for topic, found in counts.items()
    ]
    missing = sum(found[MISSING] for found in counts.values())
    sentence = f"\n{missing} are missing; add --yes to publish them." if missing else ""
    if yes:
        sentence = f"\n{missing} are in the outbox now: the workers of {service} publish them."
    rows_of = ((topic, *(found[name] for name in places)) for topic, found in counts.items())
    print_rows(as_json, facts, _HEAD, rows_of, sentence)
