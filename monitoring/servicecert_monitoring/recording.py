"""A recording: a whole system under some load and some trouble, as Prometheus saw it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time

from servicecert_cli.stand.system import System
from servicecert_launcher.mail_catcher import MailCatcher
from servicecert_launcher.prometheus import Prometheus, Series

from .load import customers
from .panel import Dashboard, Kind, Panel, Query

RULES = [Path(__file__).parents[2] / "deploy" / "prometheus" / name for name in ("recording.yml", "alerts.yml")]
SCRAPE_SECONDS = 1.0
RATE = "15s"
"""What `$__rate_interval` stands for here: a scrape takes place each second."""
POINTS = 200
LOOKS = {"SERVICECERT_LAG_WINDOW": "4", "SERVICECERT_CANARY_SECONDS": "10"}
"""The exporter's verdicts are about 8 s: they change within a recording. And the canary passes in it."""

Answers = dict[Query, list[Series]]
"""The series of each query of a dashboard."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A Prometheus, and the time of which it knows something."""

    prometheus: Prometheus
    start: float
    end: float

    async def answers(self, dashboard: Dashboard, service: str) -> Answers:
        """Return what each query finds; `service` is the variable's value. Raises DeployError."""
        return {
            query: await self.answer(panel, query, service) for panel in dashboard.panels for query in panel.queries
        }

    async def all_answers(self, dashboards: Iterable[Dashboard]) -> dict[tuple[Dashboard, str], Answers]:
        """Return the same of each dashboard, for each value of its variable; the empty text where it has none."""
        return {
            (dashboard, service): await self.answers(dashboard, service)
            for dashboard in dashboards
            for service in dashboard.services or ("",)
        }

    async def answer(self, panel: Panel, query: Query, service: str) -> list[Series]:
        """Return what a query finds. Raises DeployError."""
        expr = query.expr.replace("$__rate_interval", RATE).replace("$service", service)
        if panel.kind is Kind.TABLE:
            found = await asyncio.to_thread(self.prometheus.vector, expr, self.end)
        else:
            step = max(1.0, (self.end - self.start) / POINTS)
            found = await asyncio.to_thread(self.prometheus.range, expr, self.start, self.end, step)
        return [series for each in found if (series := each.numbers()).samples]


@asynccontextmanager
async def recorded(folder: Path, seconds: float) -> AsyncIterator[Recording]:
    """Run a system with customers for some seconds, in `folder`, and yield what was seen. It stops afterwards.

    For a fifth of the time the issuer stands still, and later no mail server answers. Raises DeployError, UserError
    and OperatorError.
    """
    async with System(
        folder / "system", secure=True, monitored=True, workers={"intake": 2}, environment=LOOKS
    ) as system:
        await asyncio.to_thread(shutil.rmtree, folder / "prometheus", ignore_errors=True)
        with Prometheus(folder / "prometheus", RULES, system.targets, SCRAPE_SECONDS) as prometheus:
            start = time()
            async with customers(system) as them:
                await asyncio.sleep(seconds / 5)
                await them.send_noise()
                await _without_issuer(system, seconds / 5)
                await asyncio.sleep(seconds / 5)
                await _without_mail(system.mails, seconds / 5)
                await asyncio.sleep(seconds / 5)
            yield Recording(prometheus, start, time())


async def _without_issuer(system: System, seconds: float) -> None:
    """Let the issuer stand still for a time: it answers nobody, and loses its partitions."""
    issuer = system.children["issuer"]
    await asyncio.to_thread(issuer.freeze)
    await asyncio.sleep(seconds)
    issuer.thaw()


async def _without_mail(mails: MailCatcher, seconds: float) -> None:
    """Let the mail server listen to nobody for a time."""
    await mails.__aexit__(None, None, None)
    await asyncio.sleep(seconds)
    await mails.__aenter__()
