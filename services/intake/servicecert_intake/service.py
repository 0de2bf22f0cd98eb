"""Intake: application events in; accepted applications and the customer's view of every case out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.topics import APPLICATIONS, CERTIFICATE_STATUS, CERTIFICATES, NOTIFICATIONS, REGISTERS
from servicecert_worker.clock import Clock, machine_clock
from servicecert_worker.decider import Change, Known, Service

from .case import Case
from .decide import decide, heeds
from .examine import examine
from .registers import NO_REGISTERS, Registers, apply
from .settings import Settings
from .store import CaseStore
from .waking import wake

NAME = "intake"
MIGRATIONS = Path(__file__).parent / "migrations"


@asynccontextmanager
async def open_service(
    _settings: Settings, pool: "asyncpg.Pool[Any]", clock: Clock = machine_clock
) -> AsyncIterator[Service[Case, Registers]]:
    """The service. It has no acts on the world. Raises `ProfileUnsafe`."""

    async def settled(registers: Registers) -> None:
        await wake(pool, registers, clock())

    yield Service(
        name=NAME,
        reads=(APPLICATIONS, CERTIFICATES, CERTIFICATE_STATUS, NOTIFICATIONS),
        store=CaseStore(),
        decide=partial(decide, load_profiles()),
        heeds=heeds,
        examine=examine,
        known=Known(topics=(REGISTERS,), empty=NO_REGISTERS, apply=_followed, settled=settled),
    )


def _followed(registers: Registers, changes: Sequence[Change]) -> Registers:
    return apply(registers, [(change.key, change.data) for change in changes])
