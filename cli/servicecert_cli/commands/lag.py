"""`servicecert lag`: what the services have not handled yet, in messages and seconds."""

import asyncio
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import click
from servicecert_schemas.topics import SERVICES
from servicecert_worker.kafka.cluster import Cluster

from ..admin.domain.lag_verdicts import Sample, Verdict, verdict
from ..admin.lag import Look, PartitionLag, meter, read_by
from ..connections.addresses import cluster
from ..terminal import interruption
from ..terminal.output import as_json, print_rows, table_lines

_Place = tuple[str, str]
"""A service and a topic that it reads."""
_Partition = tuple[str, str, int]

_HEAD: tuple[str, ...] = ("service", "topic", "messages", "seconds")
_WATCH_SECONDS = 2.0
_WINDOW = 30
_COLOURS = {Verdict.OK: "green", Verdict.BEHIND: "yellow", Verdict.STALLED: "red", Verdict.STOPPED: "red"}


@click.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@click.option("--partitions", is_flag=True, help="Show each partition with a lag, not only sums.")
@click.option("--watch", is_flag=True, help="Look again every 2 s until Ctrl-C, with rates and verdicts.")
@click.option("--max-seconds", type=click.FloatRange(min=0), help="Exit with 1 if a message waits for longer.")
@click.option("--serve", is_flag=True, help="Run the exporter for Prometheus until stopped.")
@as_json
def command(
    services: tuple[str, ...], partitions: bool, watch: bool, max_seconds: float | None, serve: bool, as_json: bool
) -> None:
    """Show what the services have not handled yet, in messages and seconds.

    All topics are shown that a service must read, also of one that never ran. Seconds are
    the age of the oldest waiting record. Works also when no worker runs.

    With --serve it is a process of its own, which looks every SERVICECERT_LAG_SECONDS and
    serves /metrics at SERVICECERT_HEALTH_HOST and SERVICECERT_HEALTH_PORT. DATABASE_URL,
    the login MONITORING, adds the figures of the tables.

    \b
    Examples:
      servicecert lag
      servicecert lag issuer --partitions
      servicecert lag --max-seconds 60 || echo somebody is behind
      SERVICECERT_HEALTH_PORT=9308 servicecert lag --serve
    """
    if serve:
        if services or partitions or watch or as_json or max_seconds is not None:
            raise click.UsageError("--serve goes with no other option")
        from servicecert_worker.process import application

        from ..watching.lag.app import app

        sys.exit(application.run(app()))
    if watch:
        if as_json or partitions or max_seconds is not None:
            raise click.UsageError("--watch goes with no other option")
        interruption.run(_watched(cluster(), services or SERVICES), is_end=True)
        return
    lags = interruption.run(_looked(cluster(), services or SERVICES)).lags
    head, rows = _HEAD, [_row(place, parts) for place, parts in _by_topic(lags).items()]
    if partitions:
        head = ("service", "topic", "partition", "messages", "seconds")
        rows = [(each.group, each.topic, each.partition, each.messages, each.seconds) for each in lags if each.messages]
    oldest = _oldest(lags)
    facts = {"partitions": lags, "messages": sum(each.messages for each in lags), "seconds": oldest}
    print_rows(as_json, facts, head, rows, _sentence(lags))
    # A message of unknown age is beyond any limit.
    if max_seconds is not None and (oldest is None or oldest > max_seconds):
        sys.exit(1)


async def _looked(target: Cluster, services: Sequence[str]) -> Look:
    async with meter(target) as lags:
        return await lags.look(read_by(services), datetime.now(UTC))


async def _watched(target: Cluster, services: Sequence[str]) -> None:
    """Show the board until cancelled."""
    # The exporter is a process of this command, too, and draws nothing.
    from rich.live import Live
    from rich.text import Text

    from ..terminal.printing import console

    samples: dict[_Partition, deque[Sample]] = {}
    before, handled = 0.0, dict[_Place, int]()
    now = asyncio.get_running_loop().time
    async with meter(target) as looking:
        with Live(console=console(), auto_refresh=False) as live:
            while True:
                look = await looking.look(read_by(services), datetime.now(UTC))
                for each in look.lags:
                    window = samples.setdefault((each.group, each.topic, each.partition), deque(maxlen=_WINDOW))
                    window.append(Sample(each.offset, each.end, each.member is not None))
                at, after = (
                    now(),
                    {place: sum(it.offset for it in parts) for place, parts in _by_topic(look.lags).items()},
                )
                rates = {
                    place: (offset - handled.get(place, offset)) / (at - before) for place, offset in after.items()
                }
                before, handled = at, after
                board = Text(_board(look, rates, samples))
                for word, colour in _COLOURS.items():
                    board.highlight_words([f" {word}\n"], colour)
                live.update(board, refresh=True)
                await asyncio.sleep(_WATCH_SECONDS)


def _board(look: Look, rates: Mapping[_Place, float], samples: Mapping[_Partition, Sequence[Sample]]) -> str:
    """Return the table; a verdict is the worst of the topic's partitions."""
    members = {lag.group: len(group.members) for group in look.groups for lag in group.lags}
    rows = []
    for place, parts in _by_topic(look.lags).items():
        found = [verdict(samples[each.group, each.topic, each.partition]) for each in parts]
        worst = max(found, key=list(Verdict).index)
        rows.append((*_row(place, parts), members[place[0]], rates[place], worst))
    return "\n".join([*table_lines((*_HEAD, "workers", "handled/s", "verdict"), rows), _sentence(look.lags)])


def _by_topic(lags: Iterable[PartitionLag]) -> dict[_Place, list[PartitionLag]]:
    by_topic: dict[_Place, list[PartitionLag]] = {}
    for each in lags:
        by_topic.setdefault((each.group, each.topic), []).append(each)
    return by_topic


def _row(place: _Place, parts: Sequence[PartitionLag]) -> tuple[object, ...]:
    return (*place, sum(each.messages for each in parts), _oldest(parts))


def _sentence(lags: Sequence[PartitionLag]) -> str:
    messages, oldest = sum(each.messages for each in lags), _oldest(lags)
    if not messages:
        return "No message waits."
    return f"{messages} messages wait, the oldest for {'?' if oldest is None else f'{oldest:.1f}'} s."


def _oldest(lags: Iterable[PartitionLag]) -> float | None:
    """Return the greatest age in seconds, None if that of a lagging partition is unknown."""
    ages = [each.seconds for each in lags]
    return None if None in ages else max((age for age in ages if age is not None), default=0.0)
