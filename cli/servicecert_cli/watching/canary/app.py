"""The canary: one run after another, and one run alone."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, NoReturn

from faststream import FastStream
from servicecert_schemas.broker import Principal
from servicecert_worker.process.health import Check
from servicecert_worker.process.service import standalone
from servicecert_worker.runtime.environment import read
from servicecert_worker.runtime.settings import check_secret_files

from ..process import Watching
from ..settings import CanarySettings
from .domain.stages import Step
from .metrics import Metrics
from .run import Means, Run

log = logging.getLogger(__name__)


def app() -> FastStream:
    return standalone(Canary.NAME, Principal.CANARY, CanarySettings, lambda settings, _: Canary(Means.of(settings)))


async def once(take: Callable[[Step], None]) -> Step:
    """Make one run with the environment's settings; return its last stage.

    Raises UserError and OperatorError for wrong ones.
    """
    settings = read(CanarySettings)
    check_secret_files(settings)
    return await Run(Means.of(settings)).make(take)


class Canary(Watching):
    """Makes one run after another, from start to end. A run that is interrupted asks for the end of its case."""

    NAME = "canary"

    def __init__(self, means: Means) -> None:
        super().__init__()
        self._means = means
        self._metrics = Metrics(self.basics.registry)
        self._began = monotonic()

    def live(self) -> Check:
        """Return whether runs begin when they should."""
        longest = self._means.settings.seconds + self._means.longest.total_seconds()
        if (since := monotonic() - self._began) > longest:
            return False, f"No run has begun for {since:.0f} s."
        return super().live()

    def ready(self) -> Check:
        """Return True: whether a run succeeds is for the metrics."""
        return True, f"A run begins every {self._means.settings.seconds} s."

    def tasks(self) -> list[Coroutine[Any, Any, NoReturn]]:
        return [self._repeat()]

    async def _repeat(self) -> NoReturn:
        while True:
            self._began = monotonic()
            run = Run(self._means)
            last = await run.make(self._metrics.count)
            self._metrics.ended(last, self._means.clock())
            fields = {"case": run.case_id and str(run.case_id), "seconds": round(monotonic() - self._began, 1)}
            if last.passed:
                log.info("canary passed all stages", extra=fields)
            else:
                log.error("canary stopped at a stage", extra={**fields, "stage": last.stage, "why": last.sentence})
            await asyncio.sleep(max(0.0, self._began + self._means.settings.seconds - monotonic()))
