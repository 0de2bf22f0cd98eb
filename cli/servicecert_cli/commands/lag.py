"""`servicecert lag`: what the services have not handled yet, in messages and seconds."""

import asyncio
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import click
from rich.live import Live
from rich.table import Table
from rich.text import Text
from servicecert_schemas.topics import SERVICES
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.process import application

from ..admin.domain.lag_verdicts import Sample, Verdict, verdict
from ..admin.lag import Look, PartitionLag, meter, read_by
from ..connections.addresses import cluster
from ..terminal import interruption
from ..terminal.output import as_json, console, escaped, print_json, print_table

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
        from ..watching.lag.app import app

        sys.exit(application.run(app()))
    if watch:
        if as_json or partitions or max_seconds is not None:
            raise click.UsageError("--watch goes with no other option")
        interruption.run(_watched(cluster(), services or SERVICES), is_end=True)
        return
    lags = interruption.run(_looked(cluster(), services or SERVICES)).lags
    if as_json:
        print_json(
            {
                "partitions": lags,
                "messages": sum(each.messages for each in lags),
                "seconds": _oldest(lags),
            }
        )
    elif partitions:
        behind = [each for each in lags if each.messages]
        rows = [
            (each.group, each.topic, str(each.partition), str(each.messages), _shown(each.seconds)) for each in behind
        ]
        print_table(("service", "topic", "partition", "messages", "seconds"), rows, right=frozenset({2, 3, 4}))
    else:
        sums = [(*row.place, str(row.messages), _shown(row.seconds)) for row in _rows(lags)]
        print_table(("service", "topic", "messages", "seconds"), sums, right=frozenset({2, 3}))
    if not as_json:
        click.echo(_sentence(lags))
    if max_seconds is not None and _is_beyond(lags, max_seconds):
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _Row:
    """The lag of a service in one topic."""

    place: tuple[str, str]
    messages: int
    seconds: float | None
    handled: int


async def _looked(target: Cluster, services: Sequence[str]) -> Look:
    async with meter(target) as lags:
        return await lags.look(read_by(services), datetime.now(UTC))


async def _watched(target: Cluster, services: Sequence[str]) -> None:
    """Show the board until cancelled."""
    samples: dict[tuple[str, str, int], deque[Sample]] = {}
    before: tuple[float, Mapping[tuple[str, str], int]] = (0.0, {})
    now = asyncio.get_running_loop().time
    async with meter(target) as looking:
        with Live(console=console(), auto_refresh=False) as live:
            while True:
                look = await looking.look(read_by(services), datetime.now(UTC))
                lags = look.lags
                for each in lags:
                    window = samples.setdefault((each.group, each.topic, each.partition), deque(maxlen=_WINDOW))
                    window.append(Sample(each.offset, each.end, each.member is not None))
                rows = _rows(lags)
                at, handled = before
                rates = {row.place: (row.handled - handled.get(row.place, row.handled)) / (now() - at) for row in rows}
                before = now(), {row.place: row.handled for row in rows}
                live.update(_board(look, lags, rows, rates, samples), refresh=True)
                await asyncio.sleep(_WATCH_SECONDS)


def _board(
    look: Look,
    lags: Sequence[PartitionLag],
    rows: Sequence[_Row],
    rates: Mapping[tuple[str, str], float],
    samples: Mapping[tuple[str, str, int], Sequence[Sample]],
) -> Table:
    """Return the table; a verdict is the worst of the topic's partitions."""
    members = {lag.group: len(group.members) for group in look.groups for lag in group.lags}
    order = list(Verdict)
    table = Table(box=None, pad_edge=False, header_style="dim", caption=_sentence(lags), caption_justify="left")
    table.add_column("service")
    table.add_column("workers", justify="right")
    table.add_column("topic")
    for title in ("handled/s", "messages", "seconds"):
        table.add_column(title, justify="right")
    table.add_column("verdict")
    shown = ""
    for row in rows:
        service, topic = row.place
        found = [
            verdict(samples[service, topic, each.partition]) for each in lags if (each.group, each.topic) == row.place
        ]
        worst = max(found, key=order.index)
        first = service != shown
        shown = service
        table.add_row(
            service if first else "",
            Text(str(members[service]), style="" if members[service] else "red") if first else "",
            escaped(topic),
            f"{rates[row.place]:.1f}",
            str(row.messages),
            _shown(row.seconds),
            Text(worst, style=_COLOURS[worst]),
        )
    return table


def _rows(lags: Iterable[PartitionLag]) -> list[_Row]:
    by_topic: dict[tuple[str, str], list[PartitionLag]] = {}
    for each in lags:
        by_topic.setdefault((each.group, each.topic), []).append(each)
    return [
        _Row(place, sum(each.messages for each in parts), _oldest(parts), sum(each.offset for each in parts))
        for place, parts in by_topic.items()
    ]


def _sentence(lags: Sequence[PartitionLag]) -> str:
    messages = sum(each.messages for each in lags)
    return f"{messages} messages wait, the oldest for {_shown(_oldest(lags))} s." if messages else "No message waits."


def _is_beyond(lags: Iterable[PartitionLag], seconds: float) -> bool:
    """Return whether a message waits for longer. One of unknown age does."""
    oldest = _oldest(lags)
    return oldest is None or oldest > seconds


def _oldest(lags: Iterable[PartitionLag]) -> float | None:
    """Return the greatest age in seconds, None if that of a lagging partition is unknown."""
    ages = [each.seconds for each in lags]
    return None if None in ages else max((age for age in ages if age is not None), default=0.0)


def _shown(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.1f}"
