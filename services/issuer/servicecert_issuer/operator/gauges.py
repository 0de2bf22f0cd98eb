"""The issuer's own metrics: whether anything keeps it from issuing."""

from servicecert_worker.core.decider import Gauge, Read


def gauges(keys_away: Read, refusals: Read, warnings: Read, invalid_requests: Read, rooms: Read) -> tuple[Gauge, ...]:
    return (
        Gauge(
            "servicecert_ca_room_seconds",
            "How long before each CA the longest certificate made now would end; below 0 it signs none.",
            "issuer",
            rooms,
        ),
        Gauge(
            "servicecert_ca_key_away",
            "1 for each CA whose key did not answer last, 0 for the others.",
            "issuer",
            keys_away,
        ),
        Gauge(
            "servicecert_signing_refused",
            "Orders that this worker refused to sign with a CA's key, by why; any is an attack or a defect.",
            "code",
            refusals,
            counts=True,
        ),
        Gauge(
            "servicecert_invalid_requests",
            "Findings about certificate requests that intake accepted and this worker found invalid, by code.",
            "code",
            invalid_requests,
            counts=True,
        ),
        Gauge(
            "servicecert_lint_warnings",
            "Certificates that this worker checked before signing and that pkilint warns of, by its code.",
            "code",
            warnings,
            counts=True,
        ),
    )
