"""The notifier as a value: what it reads, decides and does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import asyncpg
from servicecert_schemas.topics import CASES, CERTIFICATE_STATUS, CERTIFICATES, DEADLINES
from servicecert_worker.clock import Clock, machine_clock
from servicecert_worker.decider import Effect, Service

from .domain.decide import decide, is_relevant
from .domain.ledger import Ledger
from .domain.planning import INTENT
from .domain.reminders import Prepared
from .domain.task import MailTask
from .effects.bounce_reader import reading
from .operator.gauges import Waiting, gauges
from .settings import Settings
from .smtp.effects.handover import Postman
from .storage.prepare import Prepare
from .storage.store import LedgerStore

NAME = "notifier"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
READS = (CERTIFICATES, CERTIFICATE_STATUS, CASES, DEADLINES)


@asynccontextmanager
async def open_service(
    settings: Settings, pool: asyncpg.Pool, clock: Clock = machine_clock
) -> AsyncIterator[Service[Ledger, Prepared]]:
    """The notifier, with conversations to the mail server that open with the first mail and end with the service."""
    postman = Postman(settings, clock=clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(postman.close)
        if settings.servicecert_bounce_maildir is not None:
            folder, domain = settings.servicecert_bounce_maildir, settings.sender.domain
            await stack.enter_async_context(reading(folder, domain, pool, clock))
        yield Service(
            name=NAME,
            reads=READS,
            store=LedgerStore(),
            decide=decide,
            is_relevant=is_relevant,
            effects=MappingProxyType(
                {INTENT: Effect(MailTask, postman.deliver, concurrency=settings.smtp_connections)}
            ),
            gauges=gauges(postman.outcomes, postman.answers, postman.connections, Waiting(pool, clock)),
            prepare=Prepare(settings.limits, clock),
        )


__all__ = ["MIGRATIONS", "NAME", "READS", "Settings", "open_service"]
