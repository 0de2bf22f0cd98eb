"""The issuer as a value: its parts put together."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import asyncpg
from servicecert_pki.lint import Linter, rehearse
from servicecert_pki.profile_safety import check_issuers, rooms_of
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.certificate import ApplicationAccepted
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS, CERTIFICATE_STATUS
from servicecert_worker.core.clock import Clock, machine_clock
from servicecert_worker.core.decider import Effect, Oversight, Rules, Service, Tables
from servicecert_worker.core.service_keys import read_public_keys
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.reading import read_whole

from .domain.decide import EXAMINE, HANDLERS, SIGN, Decide, late_result_code
from .domain.examine import Examine, IssuingContext
from .domain.issuance import SigningOrder, State
from .domain.recheck import RECHECK, RecheckOrder
from .effects.accepted import AcceptedApplications, RequestAlarm
from .effects.recheck import Recheck
from .effects.sign import ExamineStopped, Sign
from .operator.gauges import gauges
from .settings import Settings
from .storage.prepare import prepare
from .storage.store import CertificateStore, states

__all__ = ["MIGRATIONS", "NAME", "PATIENT", "READS", "Settings", "open_service"]

NAME = "issuer"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
READS = (ACCEPTED_APPLICATIONS, CERTIFICATE_STATUS)
PATIENT = (CERTIFICATE_STATUS,)

# One thread for each batch, two at a time: one core's signatures do not wait until the other's batch is full.
_BATCH = 25
_THREADS = 2


@asynccontextmanager
async def open_service(
    settings: Settings, pool: "asyncpg.Pool", clock: Clock = machine_clock
) -> AsyncIterator[Service[State, None]]:
    """Yield the issuer, with its keys opened.

    Raise KeyUnavailable, AuthorityMissing, AuthorityDamaged, IdentityUnusable or ProfileUnsafe: each says what to do.
    """
    authority, keys = await asyncio.to_thread(settings.open_authority)
    profiles, repository, limits = load_profiles(whose=settings.whose), settings.repository, settings.whose.limits
    told = {"authority": settings.whose.digest, "profiles": {id: it.digest for id, it in profiles.by_type.items()}}
    linter = await asyncio.to_thread(Linter.with_new_keys, settings.lint)
    context = IssuingContext(authority, profiles, repository.crls, linter, limits.crl_partitions, repository.ocsp)
    kinds = {(profile.environment, family) for profile in profiles.by_type.values() for family in profile.keys}
    now = clock()
    # The CAs that issue now; below also those that take over later without a restart. Others do not count.
    active = [authority.issuer_for(*kind, now) for kind in sorted(kinds)]
    check_issuers(profiles.by_type.values(), [*active, *authority.activated_after(now)], now)
    rehearse(linter, profiles.by_type.values(), authority.issuers.values(), context.addresses, now)
    request_alarm = RequestAlarm()
    examine = Examine(context, os.urandom, clock, request_alarm)
    verifier = Verifier(read_public_keys(settings.service_keys))
    accepted = AcceptedApplications(verifier, partial(read_whole, settings.cluster, ACCEPTED_APPLICATIONS))

    async def rooms() -> Mapping[str, float]:
        return rooms_of(authority, profiles.by_type.values(), clock())

    sign = Sign(context, keys, clock, partial(states, pool), accepted)
    examine_stopped = ExamineStopped(examine, partial(states, pool), accepted, sign.refused)
    yield Service(
        NAME,
        reads=READS,
        rules=Rules(
            Decide(timedelta(hours=limits.sign_within_hours)),
            examine=examine,
            handlers=HANDLERS,
            late_result_code=late_result_code,
            initial_deadlines=((RECHECK, RECHECK),),
        ),
        tables=Tables(CertificateStore(), prepare=prepare),
        effects={
            SIGN: Effect(SigningOrder, sign, batch=_BATCH, concurrency=_THREADS, after_events=True),
            EXAMINE: Effect(ApplicationAccepted, examine_stopped),
            RECHECK: Effect(RecheckOrder, Recheck(pool, authority), batch=1),
        },
        oversight=Oversight(
            gauges(sign.unavailable_keys, sign.refused, linter.warned, request_alarm.counts, rooms),
            {**authority.audited, **told},
            authority.holds_production_keys,
        ),
    )
