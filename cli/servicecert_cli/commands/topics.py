"""`servicecert topics`: the catalogue's topics in a cluster."""

import os

import click
from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import CATALOGUE, SERVICES
from servicecert_worker.core.broker_acls import acls as catalogued_acls

from ..admin import growing, rights, topics
from ..connections.addresses import cluster, database_url
from ..terminal import interruption
from ..terminal.output import as_json, print_rows, say
from .options import one_of, yes


@click.group()
def command() -> None:
    """The topics of the catalogue in Kafka."""


@command.command()
@click.option(
    "--replication",
    type=click.IntRange(1, 15),
    help="Copies of each record.  [default: as many as brokers run, at most 3]",
)
@click.option(
    "--min-in-sync",
    type=click.IntRange(1, 15),
    help="Brokers that must have a record before it counts as written.  [default: replication - 1, at least 1]",
)
@as_json
def create(replication: int | None, min_in_sync: int | None, as_json: bool) -> None:
    """Create the missing topics with their settings.

    May be run again: an existing topic stays as it is.

    Example:
      KAFKA_BOOTSTRAP_SERVERS=localhost:9092 servicecert topics create
    """
    target = cluster()
    copies = interruption.run(topics.most_copies(target)) if replication is None else replication
    if min_in_sync is None:
        min_in_sync = max(1, copies - 1)
    if min_in_sync > copies:
        raise click.UsageError(f"--min-in-sync must not exceed the {copies} copies: nothing could be written.")
    created = interruption.run(topics.create(target, CATALOGUE, copies, min_in_sync))
    facts = {"made": created, "there": [target.name(topic) for topic in CATALOGUE]}
    made = f" with {copies} {'copy' if copies == 1 else 'copies'} of each record" if created else ""
    say(as_json, facts, f"Created {len(created)} topics{made}; {len(CATALOGUE) - len(created)} existed already.")


@command.command("list")
@as_json
def list_topics(as_json: bool) -> None:
    """Compare the catalogue with the cluster.

    The exit code is 1 if a topic is missing.

    Example:
      servicecert topics list
    """
    found = interruption.run(topics.survey(cluster()))
    head = ("topic", "partitions", "kept", "read by")
    print_rows(as_json, [each.facts() for each in found], head, [each.row() for each in found])
    if any(each.partitions is None for each in found):
        raise SystemExit(1)


@command.command()
@click.argument("partitions", type=click.IntRange(2, 1_000))
@yes
@as_json
def grow(partitions: int, yes: bool, as_json: bool) -> None:
    """Give the topics that workers share more partitions.

    New partitions move cases, and an event could overtake an earlier one of its case. So
    it refuses while a worker runs, or while a service has something to handle or to
    publish, and says which; whatever else publishes must be paused, as the e-service.
    Topics that are kept for ever keep their partitions: each of their readers reads them
    whole. Run it again if it was interrupted. It needs the broker's administrator and an
    operator's DATABASE_URL.

    Examples:
      servicecert topics grow 24
      servicecert topics grow 24 --yes
    """
    interruption.run(_grow(partitions, act=yes, as_json=as_json))


async def _grow(partitions: int, *, act: bool, as_json: bool) -> None:
    target = cluster()
    sizes = {each.name: each.partitions for each in await topics.survey(target) if each.topic.can_grow}
    small = growing.to_grow(sizes, partitions)
    if not as_json:
        for topic, size in small.items():
            click.echo(f"{topic}: {size} partitions, to be {partitions}")
    sentence = f"Each of the {len(sizes)} topics has {partitions} partitions"
    if small and act:
        await growing.grow(target, database_url(), list(small), partitions)
        sentence += " now: start the workers"
    elif small:
        growing.require_idle(await growing.look(target, database_url()))
        sentence = "Nothing is under way; add --yes to do it"
    say(as_json, {"partitions": partitions, "before": small, "done": act}, f"{sentence}.")


@command.command()
@click.option("--strimzi", metavar="CLUSTER", help="Print KafkaUser resources for Strimzi's Kafka of this name.")
@click.option(
    "--authentication",
    type=click.Choice(("scram-sha-512", "tls")),
    default="scram-sha-512",
    show_default=True,
    help="With --strimzi: how the users log in.",
)
@click.option(
    "--user",
    default="User:{}",
    show_default=True,
    help="A user's name in Kafka, with {} for ours, e.g. 'User:CN={}' for client certificates.",
)
@click.option("--only", "only", type=one_of(Principal), multiple=True, metavar="USER", help="Only for this user.")
@click.option(
    "--apply", "apply_", is_flag=True, help="Give the rights and quotas to the cluster, as its administrator."
)
def acls(strimzi: str | None, authentication: str, user: str, only: tuple[str, ...], apply_: bool) -> None:
    """Print what each user of the cluster may do and how much, or give them these rights.

    Each service, responder and kind of command is a user with exactly the rights that
    it needs, and nobody else has any. A service that finds that it may do more does not
    start. Who writes has a quota of octets a second at each broker. Without an option
    these are lines for a shell, with KAFKA_BOOTSTRAP_SERVERS and the administrator's
    client properties in KAFKA_ADMIN_CONFIG. The names have the prefix
    SERVICECERT_TOPIC_PREFIX. Rights that are there already stay, and quotas are set
    again.

    Examples:
      servicecert topics acls | KAFKA_ADMIN_CONFIG=admin.properties sh -eu
      servicecert topics acls --strimzi kafka > users.yaml
      servicecert topics acls --apply
    """
    if "{}" not in user:
        raise click.BadParameter("it must hold {} for our name.", param_hint="--user")
    every = catalogued_acls(prefix=os.environ.get("SERVICECERT_TOPIC_PREFIX", ""))
    chosen = {each: every[each] for each in Principal if not only or each in only}
    if apply_:
        created = interruption.run(rights.apply(cluster(), chosen, user))
        click.echo(f"Gave {created} rights to {len(chosen)} users, and set their quotas; the other rights were there.")
        return
    lines = rights.commands(chosen, user)
    if strimzi is not None:
        lines = rights.strimzi(chosen, strimzi, authentication, user)
    click.echo("\n".join(lines))


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
    first. DATABASE_URL is an operator's own login, the one to Kafka the service's.

    Example:
      servicecert topics accept intake --yes
    """
    partitions = interruption.run(topics.accept(cluster(), database_url(), service, act=yes))
    sentence = f"{service} would start at the first record of {partitions} partitions; add --yes to do it."
    if yes:
        sentence = f"{service} will start at the first record of {partitions} partitions, and keep to these topics."
    say(as_json, {"service": service, "partitions": partitions, "done": yes}, sentence)
