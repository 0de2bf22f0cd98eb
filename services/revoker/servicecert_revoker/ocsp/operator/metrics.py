"""The responder's metrics for Prometheus."""

from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from servicecert_worker.process.connections import Closed
from servicecert_worker.process.metrics import SKIPPED

from ..domain.answering import Answering, Kind
from ..domain.standings import Standings
from ..effects.feed import age

_DAY = 86_400.0


class Metrics:
    """Counters, updated as things happen, and gauges, read on request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "servicecert_ocsp_answers", "Answers, by their content.", ["kind"], registry=self.registry
        )
        self.signed = Gauge("servicecert_ocsp_signed", "Answers signed since the start.", registry=self.registry)
        self.kept = Gauge("servicecert_ocsp_kept", "Signed answers in the cache.", registry=self.registry)
        self.oldest = Gauge(
            "servicecert_ocsp_oldest_answer_seconds", "Age of the oldest answer in the cache.", registry=self.registry
        )
        self.feed = Gauge(
            "servicecert_ocsp_feed_age_seconds", "Time since the standings were last caught up.", registry=self.registry
        )
        self.skipped = Gauge(*SKIPPED, registry=self.registry)
        self.certificates = Gauge(
            "servicecert_ocsp_certificates", "Certificates with a known status.", registry=self.registry
        )
        self.days_left = Gauge(
            "servicecert_ocsp_certificate_days_left",
            "Days until the responder's own certificate expires, by issuing CA.",
            ["issuer"],
            registry=self.registry,
        )
        self.closed = Gauge(
            "servicecert_ocsp_connections_closed",
            "Connections closed because of a limit, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.ready = Gauge("servicecert_ready", "1 while it answers.", ["service"], registry=self.registry)
        self._counts = {kind: self.answers.labels(kind.value) for kind in Kind}
        self._connections: Mapping[Closed, int] = {}

    def watch_connections(self, closed: Mapping[Closed, int]) -> None:
        """Show these counts, as they are at each reading."""
        self._connections = closed

    def count(self, kind: Kind) -> None:
        self._counts[kind].inc()

    def text(
        self,
        answering: Answering,
        standings: Standings,
        skipped: Mapping[tuple[str, str], int],
        now: datetime,
        *,
        ready: bool,
    ) -> bytes:
        """Return all metrics in Prometheus' text format."""
        oldest = answering.oldest()
        self.signed.set(answering.signed)
        self.kept.set(len(answering))
        self.oldest.set(0.0 if oldest is None else age(oldest, now))
        self.feed.set(age(answering.moment, now))
        for (topic, reason), records in skipped.items():
            self.skipped.labels("ocsp", topic, reason).set(records)
        self.certificates.set(len(standings))
        for reason in Closed:
            self.closed.labels(str(reason)).set(self._connections.get(reason, 0))
        for issuer, signer in answering.signers.items():
            self.days_left.labels(issuer).set((signer.not_after - now).total_seconds() / _DAY)
        self.ready.labels("ocsp").set(ready)
        return generate_latest(self.registry)
