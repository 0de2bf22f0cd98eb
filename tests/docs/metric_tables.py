"""Tables of all metrics, by the process that shows them, and of the alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from docs.pages import CHECKOUT, table
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from servicecert_cli.admin.lag import Look
from servicecert_cli.watching.canary.metrics import Metrics as CanaryMetrics
from servicecert_cli.watching.lag.groups import Groups
from servicecert_cli.watching.lag.tables import Tables
from servicecert_intake.operator import lost_keys
from servicecert_intake.operator.sizes import Sizes
from servicecert_issuer.operator.gauges import gauges
from servicecert_notifier.operator.gauges import gauges as mail_gauges
from servicecert_pki.key_lists import NO_LISTS
from servicecert_revoker.crl import gauges as crl_gauges
from servicecert_revoker.ocsp.operator.metrics import Metrics as ResponderMetrics
from servicecert_revoker.operator.trust_gauges import trust_gauges
from servicecert_worker.core.decider import Gauge as ServiceGauge
from servicecert_worker.process.health import Metrics as HealthMetrics
from servicecert_worker.runtime.metrics import Basics, Metrics

ALERTS = CHECKOUT / "deploy" / "prometheus" / "alerts.yml"


def basic_metrics() -> list[str]:
    """Return each metric of every process, by its Prometheus name."""
    return _metrics(Basics("").registry, HealthMetrics({})._registry)


def metrics() -> list[str]:
    """Return each metric of a worker, by its Prometheus name, but for those of every process."""
    return _metrics(Metrics("").registry, but=Basics("").registry)


def ocsp_metrics() -> list[str]:
    """Return the metrics of an OCSP responder."""
    return _metrics(ResponderMetrics().registry, but=Basics("").registry)


def canary_metrics() -> list[str]:
    """Return the metrics of the canary."""
    registry = CollectorRegistry()
    CanaryMetrics(registry)
    return _metrics(registry)


def alerts() -> list[str]:
    """Return the alerts, each with a link to its page and how soon it fires."""
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    return table(
        ("alert", "severity", "within", "what it says"),
        (
            (
                f"[{each['alert']}]({each['alert']}.md)",
                each["labels"]["severity"],
                each["annotations"]["within"],
                each["annotations"]["summary"],
            )
            for each in rules
        ),
    )


def lag_metrics() -> list[str]:
    """Return the metrics of the exporter of lag."""
    groups, registry = Groups("", 2), CollectorRegistry()
    groups.take(Look((), 0, {}, {}, frozenset()), 0.0)
    registry.register(groups)
    registry.register(Tables())
    return _metrics(registry)


def _metrics(*of: CollectorRegistry, but: CollectorRegistry | None = None) -> list[str]:
    left_out = set() if but is None else {row[0] for row in _families(but)}
    rows = [row for registry in of for row in _families(registry)]
    return table(("metric", "type", "labels", "meaning"), (row for row in rows if row[0] not in left_out))


def _families(registry: CollectorRegistry) -> Iterator[tuple[str, str, str, str]]:
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            yield _row(collector._name, collector._type, collector._labelnames, collector._documentation)
        else:
            for each in collector.collect():
                yield _row(each.name, each.type, getattr(each, "_labelnames", ()), each.documentation)


def _row(name: str, type: str, labels: Sequence[str], text: str) -> tuple[str, str, str, str]:
    return f"`{name}{'_total' if type == 'counter' else ''}`", type, ", ".join(labels), text


async def _unread() -> dict[str, float]:
    return {}


def issuer_metrics() -> list[str]:
    """Return the additional metrics of the issuer's workers."""
    return _gauges(gauges(_unread, _unread, _unread, _unread))


def intake_metrics() -> list[str]:
    """Return the additional metrics of intake's workers."""
    return _gauges([*lost_keys.gauges(NO_LISTS), *Sizes(1, 1).gauges()])


def notifier_metrics() -> list[str]:
    """Return the additional metrics of the notifier's workers."""
    unread: Any = None
    return _gauges(mail_gauges(unread, unread, unread, unread))


def revoker_metrics() -> list[str]:
    """Return the additional metrics of the revoker's workers."""
    unread: Any = None
    crls = crl_gauges.gauges(unread, crl_gauges.CrlStats())
    return _gauges([*crls, *trust_gauges(unread, unread)])


def _gauges(gauges: Sequence[ServiceGauge]) -> list[str]:
    return table(
        ("metric", "type", "labels", "meaning"),
        (_row(each.name, "counter" if each.counts else "gauge", each.labels, each.text) for each in gauges),
    )
