"""Builds the revoker from its parts."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg
from servicecert_schemas.membership import refusals
from servicecert_schemas.topics import ACCOUNTS, CERTIFICATES, OCSP_RESPONDERS, REVOCATIONS
from servicecert_worker.core.clock import Clock, machine_clock
from servicecert_worker.core.decider import Effect, Oversight, Rules, Service, Tables, TopicSnapshot

from .crl.crl_pass import CrlRunner
from .crl.files import CrlFiles
from .crl.gauges import CrlStats, gauges
from .crl.order_queue import Publish
from .crl.places import Address, Distribution
from .crl.served import RootCrls, Served
from .domain.authority_requests import CASCADE, CascadeOrder
from .domain.certificates import IRREGULAR, Irregular
from .domain.crl_orders import CONFIRM, PUBLISH, ConfirmOrder, PublishOrder
from .domain.decide import HANDLERS, State, decide, schedule_key
from .domain.examine import Examine
from .domain.knowledge import NOTHING_KNOWN, Knowledge, apply
from .domain.requests import ANSWER
from .domain.responders import CERTIFY, CertifyOrder
from .domain.status import ALARM, Late
from .effects.certificates import Cascade, Irregularities
from .effects.certify import Certify
from .effects.confirm import Confirm, alarm
from .operator.trust_gauges import trust_gauges
from .settings import Settings
from .storage.crls import count_standings
from .storage.prepare import prepare
from .storage.store import RevocationStore, booked

__all__ = ["MIGRATIONS", "NAME", "PATIENT", "READS", "Settings", "open_service"]

log = logging.getLogger(__name__)

NAME = "revoker"
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
READS = (REVOCATIONS, CERTIFICATES, OCSP_RESPONDERS)
PATIENT = (CERTIFICATES,)

# One pass serves all orders that wait for it. Orders for other CAs need not wait.
_BATCH = 1_000
_CONCURRENT = 4
_FETCH_SECONDS = 10.0


@asynccontextmanager
async def open_service(
    settings: Settings, pool: "asyncpg.Pool", clock: Clock = machine_clock
) -> AsyncIterator[Service[State, Knowledge]]:
    """Open the CAs' keys and yield the revoker.

    Raises KeyUnavailable, AuthorityMissing, AuthorityDamaged or IdentityUnusable; the message tells what to do.
    """
    authority, keys = await asyncio.to_thread(settings.open_authority)
    repository, limits = settings.repository, settings.whose.limits
    if repository.ocsp is None:
        log.warning("Revocations are not confirmed by OCSP: authority.toml has no address of it in [repository]")
    ocsp = repository.ocsp and (settings.ocsp_internal_url or repository.ocsp)
    files = CrlFiles(settings.crl_dir)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_FETCH_SECONDS)) as session:
        address = Address(settings.crl_internal_url or repository.crls, session)
        distribution = Distribution(repository.crls, settings.publishers(), address)
        interval, validity = (timedelta(hours=each) for each in (limits.crl_interval_hours, limits.crl_validity_hours))
        runner = CrlRunner(files, distribution, limits.crl_partitions, interval, validity, pool, clock)
        stats = CrlStats([publisher.name for publisher in distribution.publishers])
        publish = Publish(authority, keys, runner, stats)
        roots = RootCrls(authority, files, distribution, stats, clock)
        irregularities = Irregularities(pool)
        certify = Certify(authority, keys, partial(booked, pool), partial(count_standings, pool, clock), clock)
        yield Service(
            NAME,
            reads=READS,
            rules=Rules(
                decide,
                examine=Examine(authority, os.urandom, clock, limits.crl_partitions),
                handlers=HANDLERS,
                initial_deadlines=tuple((schedule_key(issuer), PUBLISH) for issuer in sorted(authority.issuers)),
                wait_for_topics={ANSWER: timedelta(minutes=5)},
            ),
            tables=Tables(RevocationStore(), prepare=partial(prepare, most_responders=limits.responders_most)),
            effects={
                PUBLISH: Effect(
                    PublishOrder, roots.publish_with_scheduled(publish), batch=_BATCH, concurrency=_CONCURRENT
                ),
                CONFIRM: Effect(ConfirmOrder, Confirm(ocsp, authority, session, clock)),
                CASCADE: Effect(CascadeOrder, Cascade(pool, limits.cascade_most, clock)),
                ALARM: Effect(Late, alarm),
                IRREGULAR: Effect(Irregular, irregularities),
                CERTIFY: Effect(CertifyOrder, certify),
            },
            oversight=Oversight(
                (*gauges(roots.valid_seconds, stats), *trust_gauges(certify.refused, irregularities.counted)),
                {**authority.audited, "authority": settings.whose.digest},
                authority.holds_production_keys,
            ),
            snapshot=TopicSnapshot(
                topics=(ACCOUNTS,),
                empty=NOTHING_KNOWN,
                apply=apply,
                as_of=lambda known, moment: replace(known, heard=moment),
                refused=lambda known, changes: refusals(known.accounts, changes),
            ),
            beside=Served(runner, roots).watching,
        )
