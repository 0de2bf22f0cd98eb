"""The numbers that a responder shows to Prometheus."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from ..domain.answering import Answering, Kind
from ..domain.standings import Standings
from ..effects.feed import age

_DAY = 86_400.0


class Metrics:
    """Counters as things happen, gauges as they are asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "servicecert_ocsp_answers", "Answers given, by what they say.", ["kind"], registry=self.registry
        )
        self.signed = Gauge("servicecert_ocsp_signed", "Answers signed since the start.", registry=self.registry)
        self.kept = Gauge("servicecert_ocsp_kept", "Signed answers that are kept.", registry=self.registry)
        self.oldest = Gauge(
            "servicecert_ocsp_oldest_answer_seconds",
            "Age of the oldest answer that is kept.",
            registry=self.registry,
        )
        self.feed = Gauge(
            "servicecert_ocsp_feed_age_seconds",
            "Since when the standings are not known to be read to their end.",
            registry=self.registry,
        )
        self.faulty = Gauge(
            "servicecert_ocsp_faulty_records", "Records that are no events of ours.", registry=self.registry
        )
        self.certificates = Gauge(
            "servicecert_ocsp_certificates", "Certificates that are answered for.", registry=self.registry
        )
        self.days_left = Gauge(
            "servicecert_ocsp_certificate_days_left",
            "Days until the responder's own certificate ends, by the CA that issued it.",
            ["issuer"],
            registry=self.registry,
        )
        self.ready = Gauge("servicecert_ready", "1 while it answers.", ["service"], registry=self.registry)
        self._counts = {kind: self.answers.labels(kind.value) for kind in Kind}

    def count(self, kind: Kind) -> None:
        self._counts[kind].inc()

    def text(self, answering: Answering, standings: Standings, faulty: int, now: datetime, *, ready: bool) -> bytes:
        """All metrics in Prometheus' text format."""
        oldest = answering.oldest()
        self.signed.set(answering.signed)
        self.kept.set(len(answering))
        self.oldest.set(0.0 if oldest is None else age(oldest, now))
        self.feed.set(age(answering.moment, now))
        self.faulty.set(faulty)
        self.certificates.set(len(standings))
        for issuer, signer in answering.signers.items():
            self.days_left.labels(issuer).set((signer.not_after - now).total_seconds() / _DAY)
        self.ready.labels("ocsp").set(ready)
        return generate_latest(self.registry)
