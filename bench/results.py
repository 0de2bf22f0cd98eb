"""A measurement as it is kept: `var/bench/NAME.json`, and as a line to read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

FOLDER = Path("var/bench")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a measurement is held against, measured in the same run or a limit set before."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value in its unit (per second, ms, s, MB) beside its reference."""

    name: str
    value: float
    unit: str
    reference: Reference

    @property
    def ratio(self) -> float:
        return self.value / self.reference.value

    def keep(self) -> None:
        """Writes the measurement to its file and says it."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        content = {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "reference": {"name": self.reference.name, "value": round(self.reference.value, 3)},
            "ratio": round(self.ratio, 4),
            "cores": os.cpu_count(),
            "commit": _commit(),
        }
        (FOLDER / f"{self.name}.json").write_text(json.dumps(content, indent=2) + "\n")
        print(
            f"{self.name:<24}{self.value:>10.1f} {self.unit:<11}"
            f"{self.ratio:>7.2f} x {self.reference.value:.1f} ({self.reference.name})",
            flush=True,
        )


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """The median, and what one value of a hundred exceeds."""
    hundredths = quantiles(values, n=100)
    return {"p50": hundredths[49], "p99": hundredths[98]}


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"
