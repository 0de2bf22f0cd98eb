"""Intake's worker as it runs in production, or with `--no-battery` without the checks of keys, to measure what they cost."""

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
from servicecert_worker.process import run as process


@asynccontextmanager
async def without_battery(*arguments: Any) -> AsyncIterator[Service[Any, Any]]:
    """Intake, whose keys are not looked at."""
    async with service.open_service(*arguments) as opened:
        yield replace(opened, examine=partial(examine, check=no_check))


if __name__ == "__main__":
    module: Any = service
    if "--no-battery" in sys.argv:
        module = SimpleNamespace(
            NAME=service.NAME, MIGRATIONS=service.MIGRATIONS, Settings=service.Settings, open_service=without_battery
        )
    sys.exit(process.run(module))
