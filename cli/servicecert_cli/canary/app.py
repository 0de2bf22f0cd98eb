"""The canary as a FastStream application without subscribers, and one run of it alone."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from typing import NoReturn

from faststream import FastStream
from pydantic import ValidationError
from servicecert_pki.profiles import load_profiles
from servicecert_revoker.ocsp.effects.pinned import pinned
from servicecert_schemas.principals import Principal
from servicecert_worker.core.clock import clock_ahead
from servicecert_worker.core.faults import OperatorError, background
from servicecert_worker.core.secret_settings import check_secret_files
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.process.application import Application, Unusable, exit_at_once_until_it_runs, settings_fault
from servicecert_worker.process.health import Check
from servicecert_worker.process.service import wait_for_broker

from ..faults import UserError
from .customer import TYPE
from .domain.stages import Outcome, Step
from .metrics import Metrics
from .run import CA_CERTIFICATES, Means, Memory, run
from .settings import Settings

log = logging.getLogger(__name__)

NAME = "canary"

_LOOK_BACK = timedelta(days=7)
"""Cases that were left longer ago have a certificate that has expired."""


def app() -> FastStream:
    """Return the canary that the environment describes."""
    exit_at_once_until_it_runs()
    try:
        settings = Settings()
    except ValidationError as error:
        return Unusable(NAME, error)
    try:
        canary = Canary(means(settings))
    except OperatorError as error:
        return Unusable(NAME, error)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Canary]:
        check_secret_files(settings)
        await wait_for_broker(settings, Principal.CANARY)
        yield canary

    return Application(NAME, settings, Broker(settings.cluster, NAME), opened)


async def once(take: Callable[[Step], None]) -> Outcome:
    """Make one run with the environment's settings. Raises UserError and OperatorError for wrong ones."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise UserError(f"{settings_fault(error)}.", os.EX_CONFIG) from None
    check_secret_files(settings)
    given = means(settings)
    return await run(given, Memory(given.clock() - _LOOK_BACK), take)


def means(settings: Settings) -> Means:
    """Return what runs work with. Raises OperatorError for keys and certificates that cannot be read."""
    pinned(settings.ca_certificates, CA_CERTIFICATES)
    verifier = Verifier(read_public_keys(settings.service_keys), settings.cluster.prefix)
    return Means(settings, verifier, load_profiles()[TYPE], clock_ahead(settings.clock_ahead or timedelta()))


class Canary:
    """Makes one run after another, from start to end."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._memory = Memory(means.clock() - _LOOK_BACK)
        self._metrics = Metrics()
        self._began = monotonic()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Make runs until the context ends."""
        async with background(self._repeat()):
            yield

    async def finish(self) -> None:
        """Return at once: a run that is interrupted asks for the end of its case."""

    def live(self) -> Check:
        """Return whether runs begin when they should."""
        longest = self._means.settings.seconds + self._means.longest.total_seconds()
        if (since := monotonic() - self._began) > longest:
            return False, f"No run has begun for {since:.0f} s."
        return True, "Alive."

    def ready(self) -> Check:
        """Return True: whether a run succeeds is for the metrics."""
        return True, f"A run begins every {self._means.settings.seconds} s."

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        self._metrics.ready.labels(NAME).set(self.ready()[0])
        return self._metrics.text()

    async def _repeat(self) -> NoReturn:
        while True:
            self._began = monotonic()
            outcome = await run(self._means, self._memory, self._metrics.count)
            self._metrics.ended(outcome, self._means.clock())
            fields = {"case": outcome.case_id and str(outcome.case_id), "seconds": round(monotonic() - self._began, 1)}
            if (failed := outcome.failed) is None:
                log.info("canary passed all stages", extra=fields)
            else:
                log.error("canary stopped at a stage", extra={**fields, "stage": failed.stage, "why": failed.sentence})
            await asyncio.sleep(max(0.0, self._began + self._means.settings.seconds - monotonic()))
