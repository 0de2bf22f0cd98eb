"""The alarm for a certificate request that intake accepted and the issuer finds invalid (F2)."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from servicecert_schemas.certificate import ApplicationAccepted

log = logging.getLogger(__name__)


class RequestAlarm:
    """Logs each such application, and counts the findings: intake is faulty, older than the issuer, or compromised."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, application: ApplicationAccepted, findings: Sequence[str]) -> None:
        self._counts.update(findings)
        log.error(
            "alarm: intake accepted an invalid certificate request: nothing is signed; check intake and its key",
            extra={"key": application.key(), "findings": " ".join(findings)},
        )

    async def gauge(self) -> Mapping[str, float]:
        """Return how often each finding occurred."""
        return dict(self._counts)
