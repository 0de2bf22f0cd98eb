"""Intake: application events in; accepted applications and the customer's view of every case out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from servicecert_pki.key_checks import KeyBattery
from servicecert_pki.key_lists import NO_LISTS, KeyListDamaged, KeyLists, load_key_lists
from servicecert_pki.private_keys import without_private_keys
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
from servicecert_worker.decider import Effect, Gauge, Known, Service
from servicecert_worker.faults import OperatorError

from .case import Case
from .decide import decide, heeds
from .effects import Find
from .examine import examine
from .key_search import SEARCH, SEARCH_KEY, SearchOrder
from .key_table import recall
from .knowledge import NOTHING_KNOWN, Knowledge, apply
from .look_up import LOOK_UP, LookUp
from .settings import Settings
from .shared_keys import Search, blocked_keys
from .store import CaseStore
from .waking import wake

log = logging.getLogger(__name__)

NAME = "intake"
MIGRATIONS = Path(__file__).parent / "migrations"


@asynccontextmanager
async def open_service(
    settings: Settings, pool: "asyncpg.Pool[Any]", clock: Clock = machine_clock
) -> AsyncIterator[Service[Case, Knowledge]]:
    """The service. Its acts read and write its own tables only. Raises `ProfileUnsafe`, and `OperatorError` for a list of keys that is damaged."""
    lists = await asyncio.to_thread(_key_lists, settings.key_lists_dir)

    async def settled(known: Knowledge) -> None:
        await wake(pool, known.registers, clock())

    yield Service(
        name=NAME,
        reads=(APPLICATIONS, CERTIFICATES, CERTIFICATE_STATUS, NOTIFICATIONS),
        store=CaseStore(),
        decide=partial(decide, load_profiles()),
        heeds=heeds,
        examine=partial(examine, check=KeyBattery(lists)),
        effects={LOOK_UP: Effect(LookUp, Find(pool)), SEARCH: Effect(SearchOrder, Search(pool))},
        standing=((SEARCH_KEY, SEARCH),),
        gauges=(
            Gauge("servicecert_key_list_records", "Keys in the lists of lost keys, by file.", "list", _sizes(lists)),
            Gauge(
                "servicecert_keys_blocked",
                "Keys that are never certified again.",
                "reason",
                partial(blocked_keys, pool),
            ),
        ),
        recall=recall,
        storable=without_private_keys,
        known=Known(topics=(REGISTERS, ACCOUNTS), empty=NOTHING_KNOWN, apply=apply, settled=settled),
    )


def _key_lists(folder: Path | None) -> KeyLists:
    """The lists of lost keys, and a word on them: without any, Debian's weak keys and leaked ones are not recognised (A4)."""
    if folder is None:
        log.warning("No list of leaked and compromised keys is loaded: set SERVICECERT_KEY_LISTS_DIR")
        return NO_LISTS
    try:
        lists = load_key_lists(folder)
    except KeyListDamaged as damaged:
        raise OperatorError(str(damaged)) from None
    log.info("Lists of leaked and compromised keys are loaded", extra={"keys": dict(lists.sizes())})
    return lists


def _sizes(lists: KeyLists) -> Callable[[], Awaitable[Mapping[str, float]]]:
    async def sizes() -> Mapping[str, float]:
        return {"none": 0} if not lists.lists else dict(lists.sizes())

    return sizes
