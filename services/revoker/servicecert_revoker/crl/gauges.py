"""A process's metrics of CRLs: the time of the last pass, failures, and the roots' CRLs."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from servicecert_worker.core.decider import Gauge

from ..domain.crl_gates import GATES
from .places import ADDRESS, FOLDER


@dataclass(eq=False)
class CrlStats:
    """The time of this process's last passes, and its failures by gate and by publisher."""

    publishers: Sequence[str] = ()
    _seconds: dict[str, float] = field(default_factory=dict)
    _gates: Counter[str] = field(default_factory=Counter)
    _publishers: Counter[str] = field(default_factory=Counter)
    _served: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measured(self, issuer: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._seconds[issuer] = time.perf_counter() - start

    def gate_failed(self, gate: str) -> None:
        self._gates[gate] += 1

    def publisher_failed(self, publisher: str) -> None:
        self._publishers[publisher] += 1

    def served(self, file: str, number: int) -> None:
        if file.endswith(".crl"):
            self._served[file] = number

    async def served_numbers(self) -> Mapping[str, float]:
        return self._served

    async def seconds(self) -> Mapping[str, float]:
        return self._seconds

    async def gates(self) -> Mapping[str, float]:
        return {gate: float(self._gates[gate]) for gate in GATES}

    async def failures(self) -> Mapping[str, float]:
        return {name: float(self._publishers[name]) for name in (FOLDER, *self.publishers, ADDRESS)}


def gauges(valid: Callable[[], Awaitable[Mapping[str, float]]], stats: CrlStats) -> tuple[Gauge, ...]:
    """Return the gauges. `valid` reads the roots' CRLs, which are files: those of issuing CAs are in the tables."""
    return (
        Gauge("servicecert_root_crl_valid_seconds", "Time until each root's CRL's next update.", "crl", valid),
        Gauge(
            "servicecert_crl_served_number",
            "Number of each CRL that is fetched from its address; 0 if there is none that its CA has signed.",
            "crl",
            stats.served_numbers,
        ),
        Gauge("servicecert_crl_pass_seconds", "Duration of the last pass over a CA's CRLs.", "issuer", stats.seconds),
        Gauge(
            "servicecert_crl_gate_failures",
            "CRLs that were not published, by the check that stopped them.",
            "gate",
            stats.gates,
            counts=True,
        ),
        Gauge(
            "servicecert_crl_publisher_failures",
            "Passes in which CRLs did not arrive at a publisher or their address, and looks that found others there.",
            "publisher",
            stats.failures,
            counts=True,
        ),
    )
