"""Tables of all metrics, with the processes that show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from docs.pages import table
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from servicecert_cli.admin.lag import Look
from servicecert_cli.watching.canary.metrics import Metrics as CanaryMetrics
from servicecert_cli.watching.lag.metrics import Groups, Tables
from servicecert_intake.operator.memory import Sizes, gauge_of_lists
from servicecert_issuer.operator.gauges import gauges
from servicecert_notifier.operator.gauges import gauges as mail_gauges
from servicecert_pki.key_checks import NO_LISTS
from servicecert_revoker.crl import gauges as crl_gauges
from servicecert_revoker.ocsp.operator.metrics import Metrics as ResponderMetrics
from servicecert_revoker.operator.trust_gauges import trust_gauges
from servicecert_worker.core.decider import Gauge as ServiceGauge
from servicecert_worker.process.health import Metrics as HealthMetrics
from servicecert_worker.runtime.metrics import Basics, Metrics


def _families(*registries: CollectorRegistry) -> Iterator[tuple[str, str, str, str]]:
    for collector in (each for registry in registries for each in registry._collector_to_names):
        if isinstance(collector, MetricWrapperBase):
            yield _row(collector._name, collector._type, collector._labelnames, collector._documentation)
        else:
            for each in collector.collect():
                yield _row(each.name, each.type, getattr(each, "_labelnames", ()), each.documentation)


def _row(name: str, type: str, labels: Sequence[str], text: str) -> tuple[str, str, str, str]:
    return f"`{name}{'_total' if type == 'counter' else ''}`", type, ", ".join(labels), text


async def _unread() -> dict[str, float]:
    return {}


def _lag() -> CollectorRegistry:
    groups, registry = Groups("", 2), CollectorRegistry()
    groups.take(Look((), 0, {}, {}, frozenset()), 0.0)
    registry.register(groups)
    registry.register(Tables())
    return registry


def _canary() -> CollectorRegistry:
    registry = CollectorRegistry()
    CanaryMetrics(registry)
    return registry


def _rows(*gauges: ServiceGauge) -> Iterator[tuple[str, str, str, str]]:
    for each in gauges:
        yield _row(each.name, "counter" if each.counts else "gauge", each.labels, each.text)


def metrics() -> list[str]:
    """Return each metric, once, with the processes that show it."""
    unread: Any = None
    shown: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for who, rows in (
        ("all", _families(Basics("").registry, HealthMetrics({}).registry)),
        ("services", _families(Metrics("").registry)),
        ("intake", _rows(gauge_of_lists(NO_LISTS), *Sizes(1, 1).gauges())),
        ("issuer", _rows(*gauges(_unread, _unread, _unread, _unread, _unread))),
        (
            "revoker",
            _rows(*crl_gauges.gauges(unread, crl_gauges.CrlStats()), *trust_gauges(unread, unread)),
        ),
        ("notifier", _rows(*mail_gauges(unread, unread, unread, unread))),
        ("ocsp", _families(ResponderMetrics().registry)),
        ("lag", _families(_lag())),
        ("canary", _families(_canary())),
    ):
        for row in rows:
            if "all" not in shown[row]:
                shown[row].append(who)
    return table(
        ("metric", "type", "labels", "shown by", "meaning"),
        ((name, type, labels, ", ".join(who), text) for (name, type, labels, text), who in shown.items()),
    )
