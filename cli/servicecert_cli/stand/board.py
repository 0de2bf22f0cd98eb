"""The live board: each service's numbers, from its workers' metrics and from the exporter's."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from servicecert_schemas.topics import SERVICES

from .samples import Samples
from .system import COUNTED, OCSP, System, service_of

READY = "servicecert_ready"
PARTITIONS = "servicecert_assigned_partitions"
HANDLED = "servicecert_events_total:handled"
COUNTERS = (HANDLED, "servicecert_ocsp_answers_total:")
MESSAGES = "kafka_consumergroup_group_sum_lag"
SECONDS = "kafka_consumergroup_group_max_lag_seconds"
INTENTS = "servicecert_intents"
PARKED = "servicecert_parked"
WIDTH = 72
"""A narrower terminal gets lines."""
HEAD = ("service", "workers", "restarts", "events/s", "events", "waiting", "oldest", "intents", "parked")


@dataclass(frozen=True, slots=True)
class Row:
    """A service's numbers at one moment. `oldest` is in seconds; `handled` counts since its workers started.

    Of OCSP responders `handled` counts answers, and nothing waits.
    """

    service: str
    ready: int
    workers: int
    restarts: int
    handled: float
    messages: float
    oldest: float
    intents: float
    parked: float

    def cells(self, rate: float) -> tuple[str, ...]:
        """Return the cells for the board, in the order of `HEAD`."""
        first = (self.service, f"{self.ready}/{self.workers}", str(self.restarts), f"{rate:.1f}", f"{self.handled:.0f}")
        if self.service == OCSP:
            return (*first, "", "", "", "")
        waiting = (f"{self.messages:.0f}", f"{self.oldest:.1f} s", f"{self.intents:.0f}", f"{self.parked:.0f}")
        return (*first, *waiting)

    def line(self, rate: float) -> str:
        return ", ".join(f"{name} {cell}" for name, cell in zip(HEAD, self.cells(rate), strict=True) if cell)


async def look(system: System) -> Mapping[str, Samples]:
    names = system.processes
    return dict(zip(names, await asyncio.gather(*map(system.metrics, names)), strict=True))


def idle_processes(samples: Mapping[str, Samples]) -> list[str]:
    """Return the processes that are not ready, or read no partitions though they are a service's workers."""

    def works(name: str, each: Samples) -> bool:
        return bool(each.get(READY) and (service_of(name) not in SERVICES or each.get(PARTITIONS)))

    return [name for name, each in samples.items() if not works(name, each)]


def rows(samples: Mapping[str, Samples], waiting: Mapping[str, Samples], restarts: Mapping[str, int]) -> list[Row]:
    """Return a row for each service, from the metrics of each process and, by service, those of the exporter."""
    return [_row(service, samples, waiting.get(service, {}), restarts) for service in COUNTED]


def _row(service: str, samples: Mapping[str, Samples], waiting: Samples, restarts: Mapping[str, int]) -> Row:
    own = {name: each for name, each in samples.items() if service_of(name) == service}

    def total(name: str) -> float:
        return sum(each.get(name, 0.0) for each in own.values())

    return Row(
        service,
        ready=int(total(READY)),
        workers=len(own),
        restarts=sum(restarts.get(name, 0) for name in own),
        handled=sum(value for each in own.values() for name, value in each.items() if name.startswith(COUNTERS)),
        messages=waiting.get(MESSAGES, 0.0),
        oldest=waiting.get(SECONDS, 0.0),
        intents=waiting.get(INTENTS, 0.0),
        parked=waiting.get(PARKED, 0.0),
    )


class Rates:
    """Events a second, between two calls."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}

    def of(self, row: Row, now: float) -> float:
        """Return the rate since the last call; 0 at the first call, and after a worker's restart."""
        at, handled = self._last.get(row.service, (now, row.handled))
        self._last[row.service] = (now, row.handled)
        return max(0.0, row.handled - handled) / (now - at) if now > at else 0.0


def board(rates: Sequence[tuple[Row, float]], notes: Sequence[str] = ()) -> RenderableType:
    """Return the table, with notes below it. Values that need attention are yellow."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("  service", min_width=11)
    for title in HEAD[1:]:
        table.add_column(title, justify="right")
    for row, rate in rates:
        cells = [Text(cell) for cell in row.cells(rate)]
        cells[0] = Text("  ") + cells[0]
        cells[1].stylize("green" if row.ready == row.workers else "yellow")
        for number, alarming in ((2, row.restarts), (6, row.oldest >= 5), (8, row.parked)):
            if alarming:
                cells[number].stylize("yellow")
        table.add_row(*cells)
    return Group(table, *(Text(f"  {note}", "yellow") for note in notes))
