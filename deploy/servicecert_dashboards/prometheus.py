"""A Prometheus of this machine: started for a recording, and asked by its HTTP API."""

import asyncio
import json
import math
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from servicecert_cli.faults import UserError
from servicecert_deploy import Child, free_port
from servicecert_deploy.ports import HOST

RULES = Path(__file__).parents[1] / "prometheus"
SCRAPE_SECONDS = 1
START_SECONDS = 30.0

Targets = Mapping[str, Sequence[str]]
"""The addresses of each job's processes."""

Points = Sequence[tuple[float, float]]
"""Times in seconds since 1970, each with a value."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series: its labels, and its points that have a value."""

    labels: Mapping[str, str]
    points: Points

    def name(self, legend: str) -> str:
        """Return the legend with the values of its labels, as Grafana does."""
        return re.sub(r"\{\{(\w+)\}\}", lambda match: self.labels.get(match[1], ""), legend).strip()


class Prometheus:
    """Asks a running Prometheus. Every call raises UserError with Prometheus' own sentence if it refuses a question."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def over(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Return the series of an expression between two times, a point each `step` seconds."""
        asked: dict[str, str | float] = {"query": expr, "start": start, "end": end, "step": step}
        answer = await self._get("query_range", asked)
        return list(_series((each["metric"], each["values"]) for each in answer["result"]))

    async def at(self, expr: str, time: float) -> list[Series]:
        """Return the series of an expression that there are at a time."""
        answer = await self._get("query", {"query": expr, "time": time})
        return list(_series((each["metric"], [each["value"]]) for each in answer["result"]))

    async def families(self) -> frozenset[str]:
        """Return the names of the metrics that were scraped, also of those without a sample."""
        return frozenset(await self._get("metadata", {}))

    async def is_ready(self) -> bool:
        """Return whether it answers questions."""
        try:
            async with self._session.get(f"{self._url}/-/ready") as answer:
                return answer.ok
        except (OSError, aiohttp.ClientError):
            return False

    async def _get(self, what: str, asked: Mapping[str, str | float]) -> Any:
        async with self._session.get(f"{self._url}/api/v1/{what}", params=asked) as answer:
            content = await answer.json()
        if content["status"] != "success":
            raise UserError(f"Prometheus refuses {asked.get('query')}: {content['error']}", os.EX_SOFTWARE)
        return content["data"]


def _series(found: Iterable[tuple[Mapping[str, str], Sequence[tuple[float, str]]]]) -> Iterable[Series]:
    """Yield the series that have a point which is a number."""
    for labels, values in found:
        points = [(at, value) for at, text in values if not math.isnan(value := float(text))]
        if points:
            yield Series(labels, points)


def require_binary() -> str:
    """Return the path of the program `prometheus`. Raises UserError (EX_UNAVAILABLE) if there is none."""
    if found := shutil.which("prometheus"):
        return found
    raise UserError("Prometheus is not installed here: install the package `prometheus`.", os.EX_UNAVAILABLE)


@asynccontextmanager
async def scraping(folder: Path, targets: Targets) -> AsyncIterator[Prometheus]:
    """Run a Prometheus with our rules, which scrapes the targets each second into `folder`, until the context ends."""
    program, address = require_binary(), f"{HOST}:{free_port()}"
    configuration = _prepare(folder, targets)
    command = [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    child = Child(command, log=folder / "prometheus.log")
    try:
        async with aiohttp.ClientSession() as session:
            prometheus = Prometheus(f"http://{address}", session)
            async with asyncio.timeout(START_SECONDS):
                while not await prometheus.is_ready():
                    if not child.alive:
                        raise UserError(f"Prometheus ended at its start: {child.tail()}", os.EX_UNAVAILABLE)
                    await asyncio.sleep(0.05)
            yield prometheus
    finally:
        await asyncio.to_thread(child.stop)


def _prepare(folder: Path, targets: Targets) -> Path:
    """Empty the folder, write the configuration there, and return its path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "prometheus.json"
    path.write_text(json.dumps(_configuration(targets), indent=2))
    return path


def _configuration(targets: Targets) -> Mapping[str, Any]:
    """Return the configuration as JSON, which is YAML."""
    every = f"{SCRAPE_SECONDS}s"
    return {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": every,
            "external_labels": {"runbook": "docs/runbook"},
        },
        "rule_files": [str(RULES / name) for name in ("recording.yml", "alerts.yml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]} for job, addresses in targets.items()
        ],
    }
