"""The notifier as a value: what it reads, decides and does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import asyncpg
from servicecert_schemas.topics import CASES, CERTIFICATE_STATUS, CERTIFICATES, DEADLINES
from servicecert_worker.clock import Clock, machine_clock
from servicecert_worker.decider import Effect, Service

from .decide import decide, heeds
from .effects import Postman
from .ledger import Ledger
from .planning import INTENT
from .recall import Recall
from .reminders import Recalled
from .settings import Settings
from .store import LedgerStore
from .task import MailTask

NAME = "notifier"
MIGRATIONS = Path(__file__).parent / "migrations"


@asynccontextmanager
async def open_service(
    settings: Settings, pool: asyncpg.Pool, clock: Clock = machine_clock
) -> AsyncIterator[Service[Ledger, Recalled]]:
    """The notifier, with conversations to the mail server that open with the first mail and end with the service."""
    del pool  # No act of the notifier needs the database.
    postman = Postman(settings, clock=clock)
    try:
        yield Service(
            name=NAME,
            reads=(CERTIFICATES, CERTIFICATE_STATUS, CASES, DEADLINES),
            store=LedgerStore(),
            decide=decide,
            heeds=heeds,
            effects=MappingProxyType({INTENT: Effect(MailTask, postman.deliver)}),
            recall=Recall(settings.limits, clock),
        )
    finally:
        await postman.close()


__all__ = ["MIGRATIONS", "NAME", "Settings", "open_service"]
