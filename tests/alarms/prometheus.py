"""Prometheus for one machine: Debian's program, with our rules, over processes of this machine.

with Prometheus(folder, rules, {"intake": ["127.0.0.1:8001"]}) as prometheus:
    prometheus.vector("up")
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from servicecert_launcher import Child, DeployError, free_port

_READY_SECONDS = 30.0
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Series:
    """A series: its labels, with `__name__`, and its samples, each a moment in seconds since 1970 and a value."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[float, float]]

    @property
    def value(self) -> float:
        return self.samples[-1][1]


class Prometheus:
    """Runs while its context does. `folder` keeps its data, and may have those of an earlier run.

    `targets` are addresses `host:port` by job. `seconds` is the time between two scrapes and between two evaluations.
    Raises DeployError.
    """

    def __init__(
        self,
        folder: Path,
        rules: Sequence[Path],
        targets: Mapping[str, Sequence[str]],
        seconds: float,
    ) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        intervals = ("scrape_interval", "scrape_timeout", "evaluation_interval")
        self._configuration = {
            "global": {
                **dict.fromkeys(intervals, f"{seconds * 1000:.0f}ms"),
                "external_labels": {"runbook": "docs/runbook"},
            },
            "rule_files": [str(path.absolute()) for path in rules],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in targets.items()
            ],
        }

    def __enter__(self) -> Self:
        if (program := shutil.which("prometheus")) is None:
            raise DeployError("Prometheus is not installed: Debian's package is `prometheus`.")
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "prometheus.yml"
        # JSON is YAML.
        configuration.write_text(json.dumps(self._configuration))
        command = [
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--storage.tsdb.retention.time=10y",
            "--log.level=warn",
        ]
        self._child = Child(command, log=self.folder / "prometheus.log")
        try:
            self._child.await_ready(self._is_ready, _READY_SECONDS)
        except DeployError:
            self._child.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://{self.address}/-/ready", timeout=_ANSWER_SECONDS) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Return the data of an answer of the API, e.g. of `query`. Raises DeployError with Prometheus' own words."""
        url = f"http://{self.address}/api/v1/{path}?{urlencode(parameters)}"
        try:
            with urlopen(url, timeout=_ANSWER_SECONDS) as answer:
                return json.load(answer)["data"]
        except URLError as fault:
            words = fault.read().decode(errors="replace") if hasattr(fault, "read") else str(fault)
            raise DeployError(f"Prometheus refuses {path}: {words}") from None

    def vector(self, expression: str, at: float | None = None) -> list[Series]:
        """Return the series of an expression at a moment, or now."""
        moment: dict[str, float] = {} if at is None else {"time": at}
        data = self.ask("query", query=expression, **moment)
        return [Series(each["metric"], [_sample(each["value"])]) for each in data["result"]]

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return the series of an expression from `start` to `end`, a sample each `step` seconds."""
        data = self.ask("query_range", query=expression, start=start, end=end, step=step)
        return [Series(each["metric"], [_sample(sample) for sample in each["values"]]) for each in data["result"]]

    def families(self) -> frozenset[str]:
        """Return the names of the metrics that were scraped, also of those without a sample."""
        return frozenset(self.ask("metadata"))

    def firing(self, *states: str) -> list[Mapping[str, str]]:
        """Return the labels of the alerts that fire, or are in one of the states."""
        return [each["labels"] for each in self.ask("alerts")["alerts"] if each["state"] in (states or ("firing",))]


def _sample(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
