"""The figures of the services' tables as metrics: read once, however many workers run."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.table_locks import TableLock
from servicecert_worker.storage.figures import OF_EVERY_SERVICE, Figure, Samples


def figures() -> tuple[Figure, ...]:
    """Return the figures of every service and of each."""
    own = (importlib.import_module(f"servicecert_{service}.operator.figures").FIGURES for service in SERVICES)
    return (*OF_EVERY_SERVICE, *(figure for of_service in own for figure in of_service))


class Tables(Collector):
    """The last figures of each service's schema."""

    def __init__(self) -> None:
        self._figures = figures()
        self._samples: dict[str, Samples] = {}
        self._seconds: dict[str, float | None] = {}
        self._locks: dict[TableLock, float] = {}
        self._locks_at = 0.0
        self._up = dict.fromkeys(SERVICES, False)

    @property
    def up(self) -> Mapping[str, bool]:
        """Whether each service's schema could be read last."""
        return self._up

    def take(self, service: str, samples: Samples, seconds: float | None) -> None:
        """Take the figures of a service, which were read in this time; None if a lock withholds some."""
        self._samples[service] = samples
        self._seconds[service] = seconds
        self._up[service] = True

    def take_locks(self, locks: Iterable[TableLock], now: float) -> None:
        """Take the locks that are held now, in seconds of a clock that only grows."""
        self._locks = {lock: self._locks.get(lock, now) for lock in locks}
        self._locks_at = now

    def lose(self, service: str) -> None:
        """Show nothing of a service's schema: it cannot be read."""
        self._samples.pop(service, None)
        self._seconds.pop(service, None)
        self._locks = {lock: since for lock, since in self._locks.items() if lock.service != service}
        self._up[service] = False

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        up = GaugeMetricFamily(
            "servicecert_database_up", "1 if the service's tables could be read last.", labels=["service"]
        )
        seconds = GaugeMetricFamily(
            "servicecert_database_read_seconds", "How long the last reading of its figures took.", labels=["service"]
        )
        for service in SERVICES:
            up.add_metric([service], float(self._up[service]))
            if (value := self._seconds.get(service)) is not None:
                seconds.add_metric([service], value)
        locked = GaugeMetricFamily(
            "servicecert_table_locked_seconds",
            "How long the exporter has seen a lock on a table for which others wait, by who holds it; most last "
            "milliseconds.",
            labels=["service", "table", "pid", "user", "application"],
        )
        for lock, since in self._locks.items():
            labels = [lock.service, lock.table, str(lock.pid), lock.user, lock.application]
            locked.add_metric(labels, self._locks_at - since)
        yield from (up, seconds, locked)
        for figure in self._figures:
            family = GaugeMetricFamily(figure.name, figure.text, labels=figure.labels)
            for samples in self._samples.values():
                for labels, value in samples.get(figure.name, _NONE).items():
                    family.add_metric(labels, value)
            yield family


_NONE: Mapping[tuple[str, ...], Any] = {}
