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
    help="Brokers that must have a record before it counts as written.  [default: replication - 1, at least 1]",
)
@as_json
def create(replication: int, min_in_sync: int | None, as_json: bool) -> None:
    """Create the missing topics with their settings.

    May be run again: an existing topic stays as it is.

    \b
    Example:
      KAFKA_BOOTSTRAP_SERVERS=localhost:9092 servicecert topics create
    """
    if min_in_sync is None:
        min_in_sync = max(1, replication - 1)
    if min_in_sync > replication:
        raise click.UsageError("--min-in-sync must not exceed --replication: nothing could be written.")
    target = cluster()
    created = interruption.run(
        topic_creation.create(target.bootstrap, CATALOGUE, target.prefix, replication, min_in_sync, target.access)
    )
    if as_json:
        print_json({"made": created, "there": [target.name(topic) for topic in CATALOGUE]})
        return
    click.echo(f"Created {len(created)} topics; {len(CATALOGUE) - len(created)} existed already.")


@command.command("list")
@as_json
def list_topics(as_json: bool) -> None:
    """Compare the catalogue with the cluster.

    The exit code is 1 if a topic is missing.

    \b
    Example:
      servicecert topics list
    """
    topics = interruption.run(survey(cluster()))
    if as_json:
        print_json([each.facts() for each in topics])
    else:
        print_table(("topic", "partitions", "kept", "read by"), [each.row() for each in topics], right=frozenset({1}))
    if any(each.partitions is None for each in topics):
        raise SystemExit(1)


@command.command()
@click.argument("service", type=click.Choice(SERVICES))
@yes
@as_json
def accept(service: str, yes: bool, as_json: bool) -> None:
    """Accept that a service's topics were replaced.

    A worker stops if the IDs of the cluster or of a topic differ from the stored ones:
    a topic was recreated, or the address leads to another cluster. If that is
    intended, this forgets the stored IDs and moves the service to the first
    record of each topic; events handled before have no second effect. Stop its workers
    first. DATABASE_URL names the service's role.

    \b
    Example:
      servicecert topics accept intake --yes
    """
    partitions = interruption.run(accept_topics(cluster(), database_url(), service, act=yes))
    if as_json:
        print_json({"service": service, "partitions": partitions, "done": yes})
    elif yes:
        click.echo(f"{service} will start at the first record of {partitions} partitions, and keep to these topics.")
    else:
        click.echo(f"{service} would start at the first record of {partitions} partitions; add --yes to do it.")
