"""Intake: application events in; accepted applications and the customer's view of every case out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.topics import (
    ACCOUNTS,
    APPLICATIONS,
    CERTIFICATE_STATUS,
    CERTIFICATES,
    NOTIFICATIONS,
    REGISTERS,
)
from servicecert_worker.clock import Clock, machine_clock
from servicecert_worker.decider import Effect, Known, Service

from .case import Case
from .decide import decide, heeds
from .effects import Find
from .examine import examine
from .knowledge import NOTHING_KNOWN, Knowledge, apply
from .look_up import LOOK_UP, LookUp
from .settings import Settings
from .store import CaseStore
from .waking import wake

NAME = "intake"
MIGRATIONS = Path(__file__).parent / "migrations"


@asynccontextmanager
async def open_service(
    _settings: Settings, pool: "asyncpg.Pool[Any]", clock: Clock = machine_clock
) -> AsyncIterator[Service[Case, Knowledge]]:
    """The service. Its one act reads its own cases. Raises `ProfileUnsafe`."""

    async def settled(known: Knowledge) -> None:
        await wake(pool, known.registers, clock())

    yield Service(
        name=NAME,
        reads=(APPLICATIONS, CERTIFICATES, CERTIFICATE_STATUS, NOTIFICATIONS),
        store=CaseStore(),
        decide=partial(decide, load_profiles()),
        heeds=heeds,
        examine=examine,
        effects={LOOK_UP: Effect(LookUp, Find(pool))},
        known=Known(topics=(REGISTERS, ACCOUNTS), empty=NOTHING_KNOWN, apply=apply, settled=settled),
    )
