"""What the revoker shows of its CRLs: how old the published ones are, what the last pass took, and what kept one from being published."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import asyncpg
from servicecert_pki.partitions import crl_name
from servicecert_worker.decider import Gauge

from ...storage import QUERIES
from ..domain.gates import GATES
from ..effects.publishers import ADDRESS, FOLDER


@dataclass(eq=False)
class Tally:
    """What this process counts: how long its passes take, and what fails, by gate and by publisher."""

    publishers: Sequence[str] = ()
    _seconds: dict[str, float] = field(default_factory=dict)
    _gates: Counter[str] = field(default_factory=Counter)
    _publishers: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def measured(self, issuer: str) -> Iterator[None]:
        """Times a pass that comes to its end."""
        began = time.perf_counter()
        yield
        self._seconds[issuer] = time.perf_counter() - began

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


@dataclass(frozen=True, repr=False)
class LastCrls:
    """The published CRLs as the database has them: the same for all revokers."""

    pool: "asyncpg.Pool[Any]"
    issuers: Sequence[str]
    partitions: int
    clock: Callable[[], datetime]

    async def ages(self) -> Mapping[str, float]:
        now = self.clock()
        return {name: (now - row["this_update"]).total_seconds() for name, row in await self._rows()}

    async def valid(self) -> Mapping[str, float]:
        now = self.clock()
        return {name: (row["next_update"] - now).total_seconds() for name, row in await self._rows()}

    async def entries(self) -> Mapping[str, float]:
        return {name: float(row["entries"]) for name, row in await self._rows()}

    async def _rows(self) -> list[tuple[str, asyncpg.Record]]:
        rows = await self.pool.fetch(QUERIES["last_crls"], list(self.issuers), self.partitions)
        return [(crl_name(row["issuer"], row["partition"]), row) for row in rows]


class Crls(Protocol):
    """Published CRLs, by the names of their files."""

    async def ages(self) -> Mapping[str, float]: ...

    async def valid(self) -> Mapping[str, float]: ...

    async def entries(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, repr=False)
class AllCrls:
    """Those of several kinds."""

    kinds: Sequence[Crls]

    async def ages(self) -> Mapping[str, float]:
        return {name: value for each in self.kinds for name, value in (await each.ages()).items()}

    async def valid(self) -> Mapping[str, float]:
        return {name: value for each in self.kinds for name, value in (await each.valid()).items()}

    async def entries(self) -> Mapping[str, float]:
        return {name: value for each in self.kinds for name, value in (await each.entries()).items()}


def gauges(last: Crls, tally: Tally) -> tuple[Gauge, ...]:
    """The gauges, each with where its values come from."""
    return (
        Gauge("servicecert_crl_age_seconds", "Since this update of each published CRL.", "crl", last.ages),
        Gauge("servicecert_crl_valid_seconds", "Until the next update of each published CRL.", "crl", last.valid),
        Gauge("servicecert_crl_entries", "Certificates on each published CRL.", "crl", last.entries),
        Gauge("servicecert_crl_pass_seconds", "What the last publishing of a CA's CRLs took.", "issuer", tally.seconds),
        Gauge(
            "servicecert_crl_gate_failures",
            "CRLs that were not published, by the check that stopped them.",
            "gate",
            tally.gates,
        ),
        Gauge(
            "servicecert_crl_publisher_failures",
            "CRLs that a publisher did not take, or that did not come back from their address.",
            "publisher",
            tally.failures,
        ),
    )
