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

    @property
    def most(self) -> float:
        """The most certificates per second, however many cores there are."""
        return self._rate(self.cpu / self.spread if self.spread else 0.0)

    @property
    def bottleneck(self) -> str:
        """What limits the part at that rate."""
        if not (self.spread and self.cpu and self.alone):
            return self.name
        return f"{self.name}'s relay" if self.alone > self.cpu / self.spread else f"{self.name}'s partitions"

    def workers(self, rate: float) -> int:
        """Return the least number of workers that reach the rate, when each reads its share of the partitions."""
        assert self.spread is not None
        for count in range(1, self.spread):
            busiest = self.cpu * ceil(self.spread / count) / self.spread
            if self._rate(busiest) >= rate * (1 - _ROUNDING):
                return count
        return self.spread

    def _rate(self, shared: float) -> float:
        milliseconds = shared + self.alone
        return 1000 / milliseconds if milliseconds else inf


@dataclass(frozen=True, slots=True)
class Capacity:
    """Certificates per second, what limits them, and the workers of each service that this needs."""

    rate: float
    limited_by: str
    workers: dict[str, int]


def capacity(parts: Sequence[Part], cores: int) -> Capacity:
    """Return the throughput of a pipeline whose parts share `cores` cores.

    It assumes that
    - throughput grows with the cores until they are full, or a part that cannot be spread further is;
    - a certificate costs the same processor time on any number of cores and workers, as in a backlog, where turns are
      large: small turns, memory shared by many cores, and networks between machines cost more;
    - the partitions of a topic are equally full, a worker uses one core at most, and the leader does its share of the
      turns beside the relay;
    - PostgreSQL, a process per connection, spreads over any number of cores, and only its WAL is written one after
      another;
    - nothing else is slow: a mail server takes every mail, and a CRL is published less often than once a certificate.

    So it is an upper bound: plan with two thirds of it.
    """
    limits = {CORES: Part(CORES, sum(part.cpu for part in parts), cores).most}
    limits |= {part.bottleneck: part.most for part in parts}
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
