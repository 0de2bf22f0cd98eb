"""`servicecert topics`: the catalogue's topics in a cluster."""

import click
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.kafka import topic_creation

from ..connections.addresses import cluster, database_url
from ..operations.topics import accept as accept_topics
from ..operations.topics import survey
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_table
from .options import yes


@click.group()
def command() -> None:
    """The topics of the catalogue in Kafka."""


@command.command()
@click.option(
    "--replication",
    type=click.IntRange(1, 15),
    default=1,
    show_default=True,
    help="Copies of each record; 3 in production.",
)
@click.option(
    "--min-in-sync",
    type=click.IntRange(1, 15),
    help="Brokers that must have a record before it counts as written.  [default: one less than the copies, at least 1]",
)
@as_json
def create(replication: int, min_in_sync: int | None, as_json: bool) -> None:
    """Make the topics that are missing, with their own settings.

    May be run again: a topic that exists stays as it is.

    \b
    Example:
      KAFKA_BOOTSTRAP_SERVERS=localhost:9092 servicecert topics create
    """
    if min_in_sync is None:
        min_in_sync = max(1, replication - 1)
    if min_in_sync > replication:
        raise click.UsageError("--min-in-sync is at most --replication: else nothing could be written.")
    place = cluster()
    made = interruption.run(
        topic_creation.create(place.bootstrap, CATALOGUE, place.prefix, replication, min_in_sync, place.access)
    )
    if as_json:
        print_json({"made": made, "there": [place.name(topic) for topic in CATALOGUE]})
        return
    click.echo(f"{len(made)} topics are made, {len(CATALOGUE) - len(made)} were there already.")


@command.command("list")
@as_json
def list_topics(as_json: bool) -> None:
    """Compare the catalogue with the cluster.

    Exit code 1 when a topic is missing.

    \b
    Example:
      servicecert topics list
    """
    found = interruption.run(survey(cluster()))
    if as_json:
        print_json([each.facts() for each in found])
    else:
        print_table(
            ("topic", "partitions", "kept", "read by"),
            [each.row() for each in found],
            right=frozenset({1}),
        )
    if any(each.partitions is None for each in found):
        raise SystemExit(1)


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
@yes
@as_json
def accept(service: str, yes: bool, as_json: bool) -> None:
    """Accept that a service's topics are others than its state was made from.

    A worker stops when the cluster or a topic is not the one it knows: a topic was
    deleted and made anew, or the address leads elsewhere. Where that is meant, this
    forgets the known ones and sets the service to the first record of each topic; what
    it handled before has no second effect. Its workers must be stopped. DATABASE_URL
    names the service's role.

    \b
    Example:
      servicecert topics accept intake --yes
    """
    partitions = interruption.run(accept_topics(cluster(), database_url(), service, act=yes))
    if as_json:
        print_json({"service": service, "partitions": partitions, "done": yes})
    elif yes:
        click.echo(
            f"{service} starts at the first record of {partitions} partitions, and remembers these topics from its next start on."
        )
    else:
        click.echo(f"{service} would start at the first record of {partitions} partitions; add --yes to do it.")
