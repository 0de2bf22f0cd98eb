"""`servicecert lag`: what the services have not handled yet, in messages and seconds."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.lag import PartitionLag, measure

from ..connections import kafka
from ..connections.addresses import cluster
from ..terminal import interruption
from ..terminal.output import as_json, print_json, print_table


@click.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@click.option("--partitions", is_flag=True, help="Show each partition with a lag, not only sums.")
@as_json
def command(services: tuple[str, ...], partitions: bool, as_json: bool) -> None:
    """Show what the services have not handled yet, in messages and seconds.

    Seconds are the age of the oldest waiting record. Works also when no worker runs.

    \b
    Examples:
      servicecert lag
      servicecert lag issuer --partitions
    """
    lags = interruption.run(_measured(cluster(), services or SERVICES))
    if as_json:
        print_json(
            {
                "partitions": [asdict(each) for each in lags],
                "messages": sum(each.messages for each in lags),
                "seconds": _oldest(lags),
            }
        )
        return
    if partitions:
        behind = [each for each in lags if each.messages]
        rows = [
            (each.group, each.topic, str(each.partition), str(each.messages), _shown(each.seconds)) for each in behind
        ]
        print_table(("service", "topic", "partition", "messages", "seconds"), rows, right=frozenset({2, 3, 4}))
    else:
        print_table(("service", "topic", "messages", "seconds"), _sums(lags), right=frozenset({2, 3}))
    messages = sum(each.messages for each in lags)
    click.echo(
        f"{messages} messages wait, the oldest for {_shown(_oldest(lags))} s." if messages else "No message waits."
    )


async def _measured(target: Cluster, services: tuple[str, ...]) -> list[PartitionLag]:
    async with kafka.admin(target) as admin, kafka.reader(target) as reader:
        return await measure(admin, reader, target.prefix, services, datetime.now(UTC))


def _sums(lags: Iterable[PartitionLag]) -> list[tuple[str, str, str, str]]:
    by_topic: dict[tuple[str, str], list[PartitionLag]] = {}
    for each in lags:
        by_topic.setdefault((each.group, each.topic), []).append(each)
    return [
        (group, topic, str(sum(each.messages for each in parts)), _shown(_oldest(parts)))
        for (group, topic), parts in by_topic.items()
    ]


def _oldest(lags: Iterable[PartitionLag]) -> float | None:
    """Return the greatest age in seconds, None if that of a lagging partition is unknown."""
    ages = [each.seconds for each in lags]
    return None if None in ages else max((age for age in ages if age is not None), default=0.0)


def _shown(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.1f}"
