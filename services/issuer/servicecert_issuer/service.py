"""The issuer as a value: its parts put together, and nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from servicecert_pki.lint import Linter, rehearse
from servicecert_pki.profile_safety import check_issuers
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS, CERTIFICATE_STATUS
from servicecert_worker.clock import Clock, machine_clock
from servicecert_worker.decider import Effect, Service
from servicecert_worker.faults import background

from .domain.decide import EXAMINE, SIGN, Decide, belated, is_relevant
from .domain.examine import Examine, IssuingContext
from .domain.issuance import SigningOrder, State
from .domain.recheck_plan import RECHECK, STANDING, RecheckOrder
from .effects.clock_sense import ClockSense
from .effects.recheck import Recheck
from .effects.sign import ExamineAnew, Sign
from .operator.gauges import gauges
from .settings import Settings
from .storage.prepare import prepare
from .storage.store import CertificateStore, count_open, on_record

__all__ = ["MIGRATIONS", "NAME", "READS", "Settings", "open_service"]

NAME = "issuer"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
READS = (ACCEPTED_APPLICATIONS, CERTIFICATE_STATUS)

# One thread for each batch and two at a time: the signatures of one core do not wait for another's batch to fill.
_BATCH = 25
_THREADS = 2


@asynccontextmanager
async def open_service(
    settings: Settings, pool: "asyncpg.Pool[Any]", clock: Clock = machine_clock
) -> AsyncIterator[Service[State, None]]:
    """The issuer, with its keys opened.

    Raises KeyUnavailable, AuthorityMissing, AuthorityDamaged or ProfileUnsafe, each with one sentence that says the way out.
    """
    authority, keys = await asyncio.to_thread(settings.open_authority)
    profiles = load_profiles()
    linter = await asyncio.to_thread(Linter.with_new_keys, settings.lint)
    issuing = IssuingContext(
        authority, profiles, settings.crl_base_url, linter, settings.crl_partitions, settings.ocsp_url
    )
    kinds = {(profile.environment, family) for profile in profiles.by_type.values() for family in profile.keys}
    now = clock()
    # Those that would issue now: another generation that is valid, and not activated, does not help. One that takes over later does so without a start.
    active = [authority.issuer_for(*kind, now) for kind in sorted(kinds)]
    check_issuers(profiles.by_type.values(), [*active, *authority.takes_over_after(now)], now)
    rehearse(linter, profiles.by_type.values(), authority.issuers.values(), issuing.addresses, now)
    sense = ClockSense(timedelta(seconds=settings.clock_limit_seconds))
    await sense.look(pool)
    examine = Examine(issuing, os.urandom, clock, sense.fault)
    sign = Sign(authority, keys, clock, sense.fault, partial(on_record, pool))
    async with background(sense.watch(pool)):
        yield Service(
            NAME,
            reads=READS,
            store=CertificateStore(),
            decide=Decide(timedelta(hours=settings.sign_within_hours)),
            is_relevant=is_relevant,
            examine=examine,
            prepare=prepare,
            effects={
                SIGN: Effect(SigningOrder, sign, batch=_BATCH, concurrency=_THREADS),
                EXAMINE: Effect(ApplicationAccepted, ExamineAnew(examine)),
                RECHECK: Effect(RecheckOrder, Recheck(pool, authority), batch=1),
            },
            initial_deadlines=(STANDING,),
            belated=belated,
            gauges=gauges(partial(count_open, pool), sign.keys_away, sense.shown, linter.warnings),
            audited={
                **authority.audited,
                "profiles": {id: profile.digest for id, profile in profiles.by_type.items()},
            },
        )
