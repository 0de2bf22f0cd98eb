"""The throughput that more cores would give, calculated from measured costs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

from servicecert_schemas.topics import APPLICATIONS, SERVICES

PARTITIONS = APPLICATIONS.partitions
"""Of each topic between the services: the most workers of a service that get records."""

CORES = "processor cores"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the pipeline, and the milliseconds that a certificate costs it.

    `cpu` is processor time that up to `spread` processes or threads share (None: any number). `alone` is the time of
    the one process or device that handles every certificate itself: a service's relay, the WAL, a key in a device.
    """

    name: str
    cpu: float = 0.0
    spread: int | None = None
    alone: float = 0.0

    def most(self, workers: int | None = None) -> float:
        """Return the most certificates per second on any number of cores, by so many workers (None: by all useful)."""
        milliseconds = self.alone
        if self.spread:
            # Each reads its share of the partitions.
            milliseconds += self.cpu * ceil(self.spread / (workers or self.spread)) / self.spread
        return 1000 / milliseconds if milliseconds else inf

    def workers(self, rate: float) -> int:
        """Return the least number of workers that reach the rate."""
        assert self.spread is not None
        counts = range(1, self.spread + 1)
        return next((count for count in counts if self.most(count) >= rate * (1 - _ROUNDING)), self.spread)

    @property
    def bottleneck(self) -> str:
        """What limits the part at its most."""
        if not (self.spread and self.cpu and self.alone):
            return self.name
        return f"{self.name}'s relay" if self.alone > self.cpu / self.spread else f"{self.name}'s partitions"


@dataclass(frozen=True, slots=True)
class Capacity:
    """Certificates per second, what limits them, and the workers of each service that this needs."""

    rate: float
    limited_by: str
    workers: dict[str, int]


def capacity(parts: Sequence[Part], cores: int) -> Capacity:
    """Return the throughput of a pipeline whose parts share `cores` cores.

    It assumes what docs/scaling.md says below its table, so it is an upper bound.
    """
    limits = {CORES: Part(CORES, sum(part.cpu for part in parts), cores).most()}
    limits |= {part.bottleneck: part.most() for part in parts}
    limited_by = min(limits, key=lambda name: limits[name])
    rate = limits[limited_by]
    return Capacity(rate, limited_by, {part.name: part.workers(rate) for part in parts if part.name in SERVICES})


def table(rows: Mapping[str, Capacity]) -> str:
    """Return capacities, by their number of cores, as a table in Markdown."""
    lines = [f"| cores | {' | '.join(SERVICES)} | certificates/s | limited by |", "|---" * (len(SERVICES) + 3) + "|"]
    for label, found in rows.items():
        workers = " | ".join(str(found.workers[service]) for service in SERVICES)
        lines.append(f"| {label} | {workers} | {found.rate:,.0f} | {found.limited_by} |")
    return "\n".join(lines)
