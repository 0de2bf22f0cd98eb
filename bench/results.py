"""Stores a measurement in `var/bench/NAME.json`, prints it as a line, and compares costs with the recorded budget."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import quantiles

FOLDER = Path("var/bench")
RECORD = Path(__file__).with_name("budget.json")
"""What a certificate may cost at most: the ratios of the last recorded run, and some tolerance."""

TOLERANCE = 1.15


def keep(name: str, value: float, unit: str, against: str, reference: float) -> None:
    """Write and print a value in its unit (per second, ms, s, MB), with a reference from the same run, or a limit."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    content = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "reference": {"name": against, "value": round(reference, 3)},
        "ratio": round(value / reference, 4),
        "cores": os.cpu_count(),
        "python": sys.version,
        "commit": commit.stdout.strip() or "unknown",
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    print(f"{name:<24}{value:>10.1f} {unit:<11}{value / reference:>7.2f} x {reference:.1f} ({against})", flush=True)


def percentiles(values: Iterable[float]) -> dict[str, float]:
    hundredths = quantiles(values, n=100)
    return {"p50": hundredths[49], "p99": hundredths[98]}


def exceeded(measured: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """Return a sentence for each ratio that is too high, or of which there is no record."""
    faults: list[str] = []
    for name, ratio in measured.items():
        if (limit := recorded.get(name, 0.0) * TOLERANCE) < ratio:
            faults.append(
                f"{name}: {ratio:.2f} pieces of work a certificate, and {limit:.2f} are allowed."
                " Find what costs more, or record it by `python -m bench.whole_way --record`."
            )
    return faults
