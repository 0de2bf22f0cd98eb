"""What the exporter of lag and the canary have in common: a process that watches the system from outside.

They need different rights: a login of the database, and that to apply for certificates. So each is a process of its
own, with an identity of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, NoReturn

from prometheus_client.metrics_core import GaugeMetricFamily
from servicecert_worker.core.faults import background
from servicecert_worker.process.health import Check
from servicecert_worker.runtime.metrics import Basics


class Watching(ABC):
    """Background tasks, with metrics and a health."""

    NAME: ClassVar[str]

    def __init__(self) -> None:
        self.basics = Basics(self.NAME)

    @abstractmethod
    def tasks(self) -> Iterable[Coroutine[Any, Any, NoReturn]]:
        """Return what runs without end. The error of one ends the process."""

    @abstractmethod
    def ready(self) -> Check:
        """Return whether it sees what it watches."""

    def live(self) -> Check:
        return True, "Alive."

    async def finish(self) -> None:
        """Return at once: nothing is lost by stopping."""
        return

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for task in self.tasks():
                await stack.enter_async_context(background(task))
            yield

    async def metrics(self) -> bytes:
        self.basics.ready.labels(self.NAME).set(self.ready()[0])
        return self.basics.text()


def gauge(name: str, text: str, labels: Sequence[str], samples: Mapping[Any, float | None]) -> GaugeMetricFamily:
    """Return a metric with its samples by the values of the labels, without those that are None."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples.items():
        if value is not None:
            family.add_metric(values, value)
    return family
