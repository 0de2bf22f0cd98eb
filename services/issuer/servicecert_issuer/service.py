"""The issuer as a value: its parts put together, and nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from servicecert_pki.authority import Authority
from servicecert_pki.keyring import open_keys, read_passphrases
from servicecert_pki.profiles import load_profiles
from servicecert_schemas.topics import ACCEPTED_APPLICATIONS
from servicecert_worker.clock import Clock, machine_clock
from servicecert_worker.decider import Effect, Service

from .decide import decide
from .effects import Sign
from .examine import Examine, Office
from .issuance import SigningOrder, State
from .settings import Settings
from .store import CertificateStore

__all__ = ["MIGRATIONS", "NAME", "Settings", "open_service"]

NAME = "issuer"
MIGRATIONS = Path(__file__).parent / "migrations"

# One thread for each batch and two at a time: the signatures of one core do not wait for another's batch to fill.
_BATCH = 25
_THREADS = 2


@asynccontextmanager
async def open_service(
    settings: Settings, _pool: "asyncpg.Pool[asyncpg.Record]", clock: Clock = machine_clock
) -> AsyncIterator[Service[State, None]]:
    """The issuer, with its keys opened.

    Raises KeyUnavailable, AuthorityMissing, AuthorityDamaged or ProfileUnsafe, each with one sentence that says the way out.
    """
    authority = Authority.load(settings.ca_dir)
    keys = await asyncio.to_thread(open_keys, authority, read_passphrases(settings.ca_passphrase_file))
    office = Office(authority, load_profiles(), settings.crl_base_url, settings.ocsp_url)
    yield Service(
        NAME,
        reads=(ACCEPTED_APPLICATIONS,),
        store=CertificateStore(),
        decide=decide,
        examine=Examine(office, random=os.urandom, clock=clock),
        effects={"sign": Effect(SigningOrder, Sign(authority, keys), batch=_BATCH, concurrency=_THREADS)},
    )
