"""Intake's worker as in production, or with `--no-battery` without the key checks, to measure their cost."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from servicecert_intake import service
from servicecert_intake.domain.examine import examine
from servicecert_pki.key_checks import no_check
from servicecert_worker.decider import Service
from servicecert_worker.process.application import run
from servicecert_worker.process.service import application


@asynccontextmanager
async def without_battery(*arguments: Any) -> AsyncIterator[Service[Any, Any]]:
    """Open intake without the key checks."""
    async with service.open_service(*arguments) as opened:
        yield replace(opened, examine=partial(examine, check=no_check))


if __name__ == "__main__":
    module: Any = service
    if "--no-battery" in sys.argv:
        module = SimpleNamespace(
            NAME=service.NAME,
            MIGRATIONS=service.MIGRATIONS,
            READS=service.READS,
            PATIENT=service.PATIENT,
            Settings=service.Settings,
            open_service=without_battery,
        )
    sys.exit(run(application(module)))
