"""`servicecert lag`: what the services have not handled yet, in messages and seconds."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.kafka.cluster import Cluster

from ..admin.lag import PartitionLag, meter, read_by
from ..connections.addresses import cluster
from ..terminal import interruption
from ..terminal.output import as_json, print_rows


@click.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@click.option("--partitions", is_flag=True, help="Show each partition with a lag, not only sums.")
@click.option("--max-seconds", type=click.FloatRange(min=0), help="Exit with 1 if a message waits for longer.")
@click.option("--serve", is_flag=True, help="Run the exporter for Prometheus until stopped.")
@as_json
def command(services: tuple[str, ...], partitions: bool, max_seconds: float | None, serve: bool, as_json: bool) -> None:
    """Show what the services have not handled yet, in messages and seconds.

    All topics are shown that a service must read, also of one that never ran. Seconds are
    the age of the oldest waiting record. Works also when no worker runs.

    With --serve it is a process of its own, which looks every SERVICECERT_LAG_SECONDS and
    serves /metrics at SERVICECERT_HEALTH_HOST and SERVICECERT_HEALTH_PORT. DATABASE_URL,
    the login MONITORING, adds the figures of the tables.

    Examples:
      servicecert lag
      servicecert lag issuer --partitions
      servicecert lag --max-seconds 60 || echo somebody is behind
      SERVICECERT_HEALTH_PORT=9308 servicecert lag --serve
    """
    if serve:
        if services or partitions or as_json or max_seconds is not None:
            raise click.UsageError("--serve goes with no other option")
        from servicecert_worker.process import application

        from ..watching.lag.app import app

        sys.exit(application.run(app()))
    lags = interruption.run(_looked(cluster(), services or SERVICES))
    head: tuple[str, ...] = ("service", "topic", "messages", "seconds")
    by_topic = ((place, list(each)) for place, each in groupby(lags, key=lambda each: (each.group, each.topic)))
    rows: list[tuple[object, ...]] = [(*place, _messages(each), _oldest(each)) for place, each in by_topic]
    if partitions:
        head = ("service", "topic", "partition", "messages", "seconds")
        rows = [(each.group, each.topic, each.partition, each.messages, each.seconds) for each in lags if each.messages]
    oldest = _oldest(lags)
    facts = {"partitions": lags, "messages": _messages(lags), "seconds": oldest}
    print_rows(as_json, facts, head, rows, _sentence(lags))
    # A message of unknown age is beyond any limit.
    if max_seconds is not None and (oldest is None or oldest > max_seconds):
        sys.exit(1)


async def _looked(target: Cluster, services: Sequence[str]) -> Sequence[PartitionLag]:
    async with meter(target) as looking:
        return (await looking.look(read_by(services), datetime.now(UTC))).lags


def _sentence(lags: Sequence[PartitionLag]) -> str:
    messages, oldest = _messages(lags), _oldest(lags)
    if not messages:
        return "No message waits."
    return f"{messages} messages wait, the oldest for {'?' if oldest is None else f'{oldest:.1f}'} s."


def _messages(lags: Iterable[PartitionLag]) -> int:
    return sum(each.messages for each in lags)


def _oldest(lags: Iterable[PartitionLag]) -> float | None:
    ages = [each.seconds for each in lags]
    return None if None in ages else max((age for age in ages if age is not None), default=0.0)
