"""What the revoker shows of its CRLs: how old the published ones are, what the last pass took, and what kept one from being published."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

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


@dataclass(frozen=True, slots=True)
class InForce:
    """What metrics show of a published CRL."""

    this_update: datetime
    next_update: datetime | None
    entries: int


ReadCrls: TypeAlias = Callable[[], Awaitable[Mapping[str, InForce]]]
"""Gives published CRLs by their files' names."""


def last_crls(pool: "asyncpg.Pool[Any]", issuers: Sequence[str], partitions: int) -> ReadCrls:
    """The published CRLs of issuing CAs as the database has them: the same for all revokers."""

    async def read() -> Mapping[str, InForce]:
        return {
            crl_name(row["issuer"], row["partition"]): InForce(row["this_update"], row["next_update"], row["entries"])
            for row in await pool.fetch(QUERIES["last_crls"], list(issuers), partitions)
        }

    return read


def gauges(kinds: Sequence[ReadCrls], tally: Tally, clock: Callable[[], datetime]) -> tuple[Gauge, ...]:
    """The gauges, each with where its values come from. `kinds` are those of issuing CAs and of roots."""

    async def crls() -> Mapping[str, InForce]:
        return {name: crl for read in kinds for name, crl in (await read()).items()}

    async def ages() -> Mapping[str, float]:
        found, now = await crls(), clock()
        return {name: (now - crl.this_update).total_seconds() for name, crl in found.items()}

    async def valid() -> Mapping[str, float]:
        found, now = await crls(), clock()
        return {name: (crl.next_update - now).total_seconds() for name, crl in found.items() if crl.next_update}

    async def entries() -> Mapping[str, float]:
        return {name: float(crl.entries) for name, crl in (await crls()).items()}

    return (
        Gauge("servicecert_crl_age_seconds", "Since this update of each published CRL.", "crl", ages),
        Gauge("servicecert_crl_valid_seconds", "Until the next update of each published CRL.", "crl", valid),
        Gauge("servicecert_crl_entries", "Certificates on each published CRL.", "crl", entries),
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
