"""What a certificate may cost at most: the ratios of the last recorded run, and some tolerance."""

from collections.abc import Mapping
from pathlib import Path

RECORD = Path(__file__).with_name("budget.json")
TOLERANCE = 1.15


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
