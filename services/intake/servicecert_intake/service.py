"""Intake: application events in; accepted applications and the customer's view of every case out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
from servicecert_pki.key_checks import KeyChecks
from servicecert_pki.private_keys import without_private_keys
from servicecert_pki.profiles import load_profiles
from servicecert_schemas import topics
from servicecert_schemas.membership import refusals
from servicecert_worker.core.clock import Clock, machine_clock
from servicecert_worker.core.decider import Effect, Oversight, Rules, Service, Tables, TopicSnapshot

from .domain.case import WAITS_FOR_TOPICS, Case
from .domain.decide import HANDLERS, decide
from .domain.examine import examine
from .domain.knowledge import NOTHING_KNOWN, Knowledge, Limits, apply
from .domain.rules.csr import SEARCH, SEARCH_KEY, SearchOrder
from .domain.rules.renewal import LOOK_UP, LookUp
from .domain.view import account_unchanged, stages
from .effects.follow import Find
from .effects.shared_keys import Search
from .operator.memory import Sizes, gauge_of_lists, load_lists
from .settings import Settings
from .storage.prepare import prepare
from .storage.store import CaseStore, wake

__all__ = ["MIGRATIONS", "NAME", "PATIENT", "READS", "Settings", "open_service"]

NAME = "intake"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
READS = (topics.APPLICATIONS, topics.CERTIFICATES, topics.CERTIFICATE_STATUS, topics.NOTIFICATIONS)
PATIENT = (topics.CERTIFICATES, topics.CERTIFICATE_STATUS, topics.NOTIFICATIONS)


@asynccontextmanager
async def open_service(
    settings: Settings, pool: "asyncpg.Pool", clock: Clock = machine_clock
) -> AsyncIterator[Service[Case, Knowledge]]:
    """Yield the service. Raise `ProfileUnsafe`, or `OperatorError` for a damaged list of keys."""
    lists = await asyncio.to_thread(load_lists, settings.key_lists_dir)
    sizes = Sizes(settings.most_entries, settings.most_accounts)

    async def settled(known: Knowledge) -> None:
        sizes.note(known)
        # Building the index of names takes a second or two: built here, no turn waits for it.
        await asyncio.to_thread(lambda: known.registers.names)
        await wake(pool, known.registers, clock())

    taken = partial(apply, most_entries=settings.most_entries, most_accounts=settings.most_accounts)
    limits = Limits(settings.most_unfinished, settings.most_events)
    yield Service(
        name=NAME,
        reads=READS,
        rules=Rules(
            partial(decide, load_profiles()),
            examine=partial(examine, check=KeyChecks(lists)),
            handlers=HANDLERS,
            stages=stages,
            initial_deadlines=((SEARCH_KEY, SEARCH),),
            wait_for_topics=WAITS_FOR_TOPICS,
        ),
        tables=Tables(CaseStore(), prepare=partial(prepare, limits, lists, clock), storable=without_private_keys),
        effects={LOOK_UP: Effect(LookUp, Find(pool)), SEARCH: Effect(SearchOrder, Search(pool))},
        oversight=Oversight(gauges=(gauge_of_lists(lists), *sizes.gauges())),
        snapshot=TopicSnapshot(
            topics=(topics.REGISTERS, topics.ACCOUNTS),
            empty=NOTHING_KNOWN,
            apply=taken,
            as_of=lambda known, moment: replace(known, heard=moment),
            on_caught_up=settled,
            refused=lambda known, changes: refusals(known.accounts, changes),
            answer=account_unchanged,
        ),
    )
