"""The responder's metrics for Prometheus."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

from prometheus_client import Counter, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from servicecert_worker.process.connections import Closed
from servicecert_worker.process.health import closed_connections
from servicecert_worker.runtime.metrics import Basics, Followed

from ..domain.answering import Answering, Kind
from ..domain.standings import Lack, Standings


class Metrics(Basics, Collector):
    """Counters, updated as things happen, and gauges, read on request."""

    def __init__(self) -> None:
        super().__init__("ocsp")
        self.followed = Followed("ocsp", self.registry)
        gauge = partial(Gauge, registry=self.registry)
        self.answers = Counter(
            "servicecert_ocsp_answers", "Answers, by their content.", ["kind"], registry=self.registry
        )
        self.kept = gauge("servicecert_ocsp_kept", "Signed answers in the cache.")
        self.oldest = gauge("servicecert_ocsp_oldest_answer_seconds", "Age of the oldest answer in the cache.")
        self.feed = gauge("servicecert_ocsp_feed_age_seconds", "Time since the standings were last caught up.")
        self.certificates = gauge("servicecert_ocsp_certificates", "Certificates with a known status.")
        self.left = gauge(
            "servicecert_ocsp_certificate_left_seconds",
            "Time until the responder's own certificate expires, by issuing CA; infinite where the CA ends with it.",
            ["issuer"],
        )
        self.incomplete = gauge(
            "servicecert_ocsp_incomplete",
            "1 where something is missing to know all standings of an issuing CA.",
            ["issuer", "reason"],
        )
        self._counts = {kind: self.answers.labels(kind.value) for kind in Kind}
        self._closed: Mapping[Closed, int] = {}
        self._signed = 0
        self.registry.register(self)

    def watch_connections(self, closed: Mapping[Closed, int]) -> None:
        self._closed = closed

    def count(self, kind: Kind) -> None:
        self._counts[kind].inc()

    def collect(self) -> Iterator[Metric]:
        """Yield the counters that others count."""
        signed = CounterMetricFamily("servicecert_ocsp_signed", "Answers signed.")
        signed.add_metric([], self._signed)
        yield signed
        yield closed_connections("servicecert_ocsp_connections_closed", "OCSP", self._closed)

    def show(self, answering: Answering, standings: Standings, now: datetime, *, ready: bool, wrong: bool) -> None:
        """Set the gauges. `wrong` is the responder's clock."""
        self.clock_wrong.labels("ocsp").set(wrong)
        self._signed = answering.signed
        self.kept.set(len(answering))
        self.oldest.set(_age(answering.oldest() or now, now))
        self.feed.set(float("inf") if answering.moment is None else _age(answering.moment, now))
        self.certificates.set(len(standings))
        for issuer, signer in answering.signers.items():
            left = float("inf") if answering.last[issuer] else (signer.not_after - now).total_seconds()
            self.left.labels(issuer).set(left)
            lacks = standings.cas[issuer].lacks
            for lack in Lack:
                self.incomplete.labels(issuer, lack).set(lack in lacks)
        self.ready.labels("ocsp").set(ready)


def _age(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment.astimezone(UTC)).total_seconds())
