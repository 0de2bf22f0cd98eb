"""A process's metrics of CRLs: the time of the last pass, failures, and the roots' CRLs."""

from collections import Counter
from collections.abc import Iterable

from servicecert_worker.core.decider import Gauge, Read

from ..domain.crl_gates import GATES
from .places import ADDRESS, FOLDER


class CrlStats:
    """The seconds of this process's last passes by CA, the numbers that are served by file, and counts of failures."""

    def __init__(self, publishers: Iterable[str] = ()) -> None:
        self.seconds: dict[str, float] = {}
        self.served: dict[str, float] = {}
        self.gates = Counter(dict.fromkeys(GATES, 0))
        self.failures = Counter(dict.fromkeys((FOLDER, *publishers, ADDRESS), 0))


def gauges(valid: Read, stats: CrlStats) -> tuple[Gauge, ...]:
    """Return the gauges. `valid` reads the roots' CRLs, which are files: those of issuing CAs are in the tables."""
    return (
        Gauge("servicecert_root_crl_valid_seconds", "Time until each root's CRL's next update.", "crl", valid),
        Gauge(
            "servicecert_crl_served_number",
            "Number of each CRL that is fetched from its address; 0 if there is none that its CA has signed.",
            "crl",
            stats.served,
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
