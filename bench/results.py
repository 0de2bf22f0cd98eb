"""A measurement as it is kept: `var/bench/NAME.json`, and as a line to read."""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from statistics import quantiles

FOLDER = Path("var/bench")


def keep(name: str, value: float, unit: str, against: str, reference: float) -> None:
    """Writes a value in its unit (per second, ms, s, MB) to its file and says it, beside a reference: measured in the same run, or a limit set before."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    ratio = value / reference
    content = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "reference": {"name": against, "value": round(reference, 3)},
        "ratio": round(ratio, 4),
        "cores": os.cpu_count(),
        "commit": _commit(),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    print(f"{name:<24}{value:>10.1f} {unit:<11}{ratio:>7.2f} x {reference:.1f} ({against})", flush=True)


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """The median, and what one value of a hundred exceeds."""
    hundredths = quantiles(values, n=100)
    return {"p50": hundredths[49], "p99": hundredths[98]}


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"
