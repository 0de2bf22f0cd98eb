"""The figures of the services' tables as metrics: read once, however many workers run."""

import importlib
from collections.abc import Iterable, Iterator
from itertools import chain

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from servicecert_schemas.topics import SERVICES
from servicecert_worker.core.table_locks import TableLock
from servicecert_worker.storage.figures import OF_EVERY_SERVICE, Figure, Samples

from ..process import gauge


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

    def is_up(self, service: str) -> bool:
        """Return whether a service's schema could be read last."""
        return service in self._samples

    def take(self, service: str, samples: Samples, seconds: float | None) -> None:
        """Take the figures of a service, which were read in this time; None if a lock withholds some."""
        self._samples[service] = samples
        self._seconds[service] = seconds

    def take_locks(self, locks: Iterable[TableLock], now: float) -> None:
        """Take the locks that are held now, in seconds of a clock that only grows."""
        self._locks = {lock: self._locks.get(lock, now) for lock in locks}
        self._locks_at = now

    def lose(self, service: str) -> None:
        """Show nothing of a service's schema: it cannot be read."""
        self._samples.pop(service, None)
        self._seconds.pop(service, None)
        self._locks = {lock: since for lock, since in self._locks.items() if lock.service != service}

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples."""
        up = {(service,): float(self.is_up(service)) for service in SERVICES}
        yield gauge("servicecert_database_up", "1 if the service's tables could be read last.", ("service",), up)
        seconds = {(service,): value for service, value in self._seconds.items()}
        text = "How long the last reading of its figures took."
        yield gauge("servicecert_database_read_seconds", text, ("service",), seconds)
        yield gauge(
            "servicecert_table_locked_seconds",
            "How long the exporter has seen a lock on a table for which others wait, by who holds it; most last "
            "milliseconds.",
            ("service", "table", "pid", "user", "application"),
            {
                (lock.service, lock.table, str(lock.pid), lock.user, lock.application): self._locks_at - since
                for lock, since in self._locks.items()
            },
        )
        for figure in self._figures:
            found = [samples.get(figure.name, {}).items() for samples in self._samples.values()]
            yield gauge(figure.name, figure.text, figure.labels, dict(chain.from_iterable(found)))
