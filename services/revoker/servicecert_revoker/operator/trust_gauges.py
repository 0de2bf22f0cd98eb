"""The gauges in which an attack on the revoker shows (F2, F3)."""

from servicecert_worker.core.decider import Gauge, Read


def trust_gauges(refusals: Read, alarms: Read) -> tuple[Gauge, ...]:
    """Return the gauges. `refusals` and `alarms` are this worker's, by code."""
    return (
        Gauge(
            "servicecert_signing_refused",
            "Orders that this worker refused to sign with a CA's key, by why; any is an attack or a defect.",
            "code",
            refusals,
            counts=True,
        ),
        Gauge(
            "servicecert_certificate_alarms",
            "Events of certificates that were not as they must be, which this worker read, by what was wrong.",
            "code",
            alarms,
            counts=True,
        ),
    )
