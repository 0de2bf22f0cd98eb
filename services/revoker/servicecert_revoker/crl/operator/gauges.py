"""The metrics of CRLs: the age of the published ones, the time of the last pass, and failures."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
from servicecert_pki.partitions import MOST_PARTITIONS, crl_name
from servicecert_worker.decider import Gauge

from ...storage import QUERIES
from ..domain.gates import GATES
from ..effects.publishers import ADDRESS, FOLDER


@dataclass(eq=False)
class CrlStats:
    """The time of this process's last passes, and its failures by gate and by publisher."""

    publishers: Sequence[str] = ()
    _seconds: dict[str, float] = field(default_factory=dict)
    _gates: Counter[str] = field(default_factory=Counter)
    _publishers: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def measured(self, issuer: str) -> Iterator[None]:
        """Measure a pass that succeeds."""
        start = time.perf_counter()
        yield
        self._seconds[issuer] = time.perf_counter() - start

    def gate_failed(self, gate: str) -> None:
        self._gates[gate] += 1

    def publisher_failed(self, publisher: str) -> None:
        self._publishers[publisher] += 1

    async def seconds(self) -> Mapping[str, float]:
        return self._seconds

    async def gates(self) -> Mapping[str, float]:
        return {gate: float(self._gates[gate]) for gate in GATES}

    async def failures(self) -> Mapping[str, float]:
        return {name: float(self._publishers[name]) for name in (FOLDER, *self.publishers, ADDRESS)}


@dataclass(frozen=True, slots=True)
class InForce:
    """A published CRL as metrics show it."""

    this_update: datetime
    next_update: datetime | None
    entries: int


ReadCrls: TypeAlias = Callable[[], Awaitable[Mapping[str, InForce]]]
"""Returns published CRLs by file name."""


def last_crls(pool: "asyncpg.Pool[Any]", issuers: Sequence[str], partitions: int) -> ReadCrls:
    """Return a reader of the issuing CAs' published CRLs in the database: the same for all revokers."""

    async def read() -> Mapping[str, InForce]:
        return {
            crl_name(row["issuer"], row["partition"]): InForce(row["this_update"], row["next_update"], row["entries"])
            for row in await pool.fetch(QUERIES["last_crls"], list(issuers), partitions, MOST_PARTITIONS)
        }

    return read


def gauges(readers: Sequence[ReadCrls], stats: CrlStats, clock: Callable[[], datetime]) -> tuple[Gauge, ...]:
    """Return the gauges. `readers` give the CRLs of issuing CAs and of roots."""

    async def crls() -> Mapping[str, InForce]:
        return {name: crl for read in readers for name, crl in (await read()).items()}

    async def ages() -> Mapping[str, float]:
        published, now = await crls(), clock()
        return {name: (now - crl.this_update).total_seconds() for name, crl in published.items()}

    async def valid() -> Mapping[str, float]:
        published, now = await crls(), clock()
        return {name: (crl.next_update - now).total_seconds() for name, crl in published.items() if crl.next_update}

    async def entries() -> Mapping[str, float]:
        return {name: float(crl.entries) for name, crl in (await crls()).items()}

    return (
        Gauge("servicecert_crl_age_seconds", "Time since each published CRL's this update.", "crl", ages),
        Gauge("servicecert_crl_valid_seconds", "Time until each published CRL's next update.", "crl", valid),
        Gauge("servicecert_crl_entries", "Certificates on each published CRL.", "crl", entries),
        Gauge("servicecert_crl_pass_seconds", "Duration of the last pass over a CA's CRLs.", "issuer", stats.seconds),
        Gauge(
            "servicecert_crl_gate_failures",
            "CRLs that were not published, by the check that stopped them.",
            "gate",
            stats.gates,
        ),
        Gauge(
            "servicecert_crl_publisher_failures",
            "Passes in which a publisher failed to copy CRLs, or CRLs could not be fetched from their address.",
            "publisher",
            stats.failures,
        ),
    )
