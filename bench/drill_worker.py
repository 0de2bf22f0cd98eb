"""A revoker whose clock runs faster than the machine's: `python -m bench.drill_worker SINCE FACTOR`."""

import sys
from datetime import datetime
from unittest.mock import patch

from servicecert_revoker import service
from servicecert_revoker.app import subscribe
from servicecert_worker.core.clock import Clock, machine_clock
from servicecert_worker.process import service as process
from servicecert_worker.process.application import run


def faster_clock(since: datetime, factor: float) -> Clock:
    """Return a clock that was right at `since` and has run `factor` times too fast from then on."""
    return lambda: since + (machine_clock() - since) * factor


if __name__ == "__main__":
    since, factor = datetime.fromisoformat(sys.argv.pop(1)), float(sys.argv.pop(1))

    with patch.object(process, "clock_ahead", lambda _: faster_clock(since, factor)):
        sys.exit(run(process.application(service, subscribe)))
