"""Runs the toy as the process of a service. The file TOY_SHIFT says by how many seconds its machine's clock is off."""

import os
import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from servicecert_worker.core.clock import machine_clock
from servicecert_worker.process import service
from servicecert_worker.process.application import run
from servicecert_worker.runtime.worker import Worker

from toy.app import app

if shift := os.environ.get("TOY_SHIFT"):
    file = Path(shift)

    def shifted() -> datetime:
        """Return the time of a machine whose clock is wrong."""
        return machine_clock() + timedelta(seconds=float(file.read_text()))

    service.Worker = partial(Worker, now=shifted)  # type: ignore[assignment]

sys.exit(run(app()))
