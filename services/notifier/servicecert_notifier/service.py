"""The notifier service: its topics, decider, effect and gauges."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import asyncpg
from servicecert_schemas.topics import CASES, CERTIFICATE_STATUS, CERTIFICATES, DEADLINES
from servicecert_worker.core.clock import Clock, machine_clock
from servicecert_worker.core.decider import Effect, Oversight, Rules, Service, Tables
from servicecert_worker.core.faults import background

from .domain.decide import HANDLERS, Decide, concerns
from .domain.examine import examine
from .domain.ledger import INTENT, Ledger
from .domain.reminders import Prepared
from .domain.task import MailOutcome, MailTask
from .effects.bounce_reader import BounceReader
from .operator.gauges import gauges
from .settings import Settings
from .smtp.effects.handover import Mailer
from .storage.prepare import Prepare
from .storage.store import LedgerStore

NAME = "notifier"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
READS = (CERTIFICATES, CERTIFICATE_STATUS, CASES, DEADLINES)
PATIENT = (CERTIFICATE_STATUS, CASES, DEADLINES)


@asynccontextmanager
async def open_service(
    settings: Settings, pool: asyncpg.Pool, clock: Clock = machine_clock
) -> AsyncIterator[Service[Ledger, Prepared]]:
    """Yield the notifier. Its conversations with mail servers open with the first mail and end with the service."""
    mailer = Mailer(settings, clock=clock)
    folder, domain = settings.servicecert_bounce_maildir, settings.sender.domain
    try:
        yield Service(
            NAME,
            reads=READS,
            rules=Rules(Decide(settings.letterheads), examine=examine, handlers=HANDLERS, concerns=concerns),
            tables=Tables(LedgerStore(), prepare=Prepare(settings.limits, clock)),
            effects={
                INTENT: Effect(
                    MailTask, mailer.deliver, batch=1, concurrency=settings.smtp_connections, result=MailOutcome
                )
            },
            oversight=Oversight(
                gauges(mailer.outcomes, mailer.answers, mailer.refusing, mailer.connections),
                {"authority": settings.whose.digest},
            ),
            beside=lambda require_clock: (
                nullcontext()
                if folder is None
                else background(BounceReader(folder, domain, pool, clock).run(require_clock))
            ),
        )
    finally:
        await mailer.close()


__all__ = ["MIGRATIONS", "NAME", "PATIENT", "READS", "Settings", "open_service"]
