"""Real parts for all tests: one broker and one database server a session, own schemas and topics for each test."""

from __future__ import annotations

import asyncio
import os
from asyncio import selector_events
from asyncio.selector_events import _SelectorSocketTransport
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
import yaml
from databases import SETTINGS, new_database
from hypothesis import settings
from recycling import Migrated, Recycler, Schemas, schemas
from servicecert_launcher import Kafka, Parts, start_parts
from servicecert_worker.storage import database

if TYPE_CHECKING:
    from chaos.customers import Customers
    from servicecert_launcher.softhsm import SoftHsm
    from servicecert_schemas.certificate import CertificateIssued

# A machine that does much else at the same time makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# The same in C: a tenth of the time.
yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[assignment, misc]

ServicePool = Callable[[str, Path], Awaitable["asyncpg.Pool[Any]"]]

LONGEST = (
    "journeys/test_rolling_upgrade.py",
    "journeys/test_kafka_lost.py",
    "journeys/test_killed_at_every_step.py",
    "chaos/test_restores.py",
    "journeys/test_empty_database.py",
    "journeys/test_restored.py",
    "journeys/test_turns.py",
    "journeys/test_growing.py",
    "cli/test_demo.py",
    "worker/test_crash.py",
    "worker/test_clients.py",
    "soak/test_soak.py",
    "docs/test_commands.py",
    "contracts/test_for_the_e_service.py",
    "chaos/test_small_run.py",
    "journeys/test_canary.py",
    "cli/watching/doctor/test_broken.py",
    "journeys/test_nothing_leaks.py",
    "journeys/test_erasing.py",
    "journeys/test_ways.py",
    "deploy/test_kafka.py",
    "worker/test_faults.py",
    "worker/test_start.py",
    "worker/test_fence.py",
    "worker/test_parking.py",
    "cli/test_run.py",
    "worker/test_three_brokers.py",
    "cli/test_system.py",
    "worker/test_source.py",
    "services/intake/test_workers.py",
    "cli/test_growing.py",
    "cli/watching/doctor/test_secured_system.py",
    "cli/watching/test_lag.py",
    "journeys/test_rights.py",
    "docs/test_changes.py",
    "docs/test_changing_an_event.py",
    "deploy/test_postgres.py",
    "contracts/test_extremes.py",
    "contracts/test_dear_documents.py",
    "cli/test_lag.py",
    "pki/test_specimens.py",
)
"""The files that take longest, which come first, so that the workers of `make test` end together."""


class Named(_SelectorSocketTransport):  # type: ignore[misc]
    """A connection that says in which test it was opened: one that nobody closed is found in a later one."""

    def __init__(self, *parts: Any, **named: Any) -> None:
        self.opened_in = os.environ.get("PYTEST_CURRENT_TEST")
        super().__init__(*parts, **named)

    def __repr__(self) -> str:
        return f"<{super().__repr__()} to {self.get_extra_info('peername')}, opened in {self.opened_in}>"


selector_events._SelectorSocketTransport = Named

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""Where coverage tells a process that is started to measure itself too."""


INSECURE = "SERVICECERT_INSECURE"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, after everything was put into random order."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture
async def own_kafka() -> AsyncIterator[Kafka]:
    """A broker whose records may be put back."""
    broker = Kafka()
    try:
        await asyncio.to_thread(broker.start)
        yield broker
    finally:
        await asyncio.to_thread(broker.stop)


@pytest.fixture(scope="session", autouse=True)
def measuring() -> Iterator[str | None]:
    """Processes that tests start are measured by `measured_processes` only: it doubles the time of their start."""
    with pytest.MonkeyPatch.context() as patch:
        how = os.environ.get(MEASURED)
        patch.delenv(MEASURED, raising=False)
        yield how


@pytest.fixture(scope="session", autouse=True)
def in_the_clear() -> Iterator[None]:
    """The broker of most tests is in the clear, and gives everybody every right; the journeys' does not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INSECURE, "broker")
        yield


@pytest.fixture(scope="module")
def measured_processes(measuring: str | None) -> Iterator[None]:
    """The processes that a module's tests start are measured, where what runs in them runs nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        if measuring is not None:
            patch.setenv(MEASURED, measuring)
        yield


@pytest.fixture(scope="session")
def parts() -> Iterator[Parts]:
    """A broker and a database server: the operator's own where the environment names them."""
    with start_parts(settings=SETTINGS) as started:
        yield started


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority of today for all tests; its passphrases are beside it in `ca.passphrases`."""
    from servicecert_cli.operations.authority import make_authority
    from servicecert_pki.ceremony_files import write_identity
    from servicecert_pki.identity import trial

    def make(folder: Path) -> None:
        write_identity(folder / "ca", trial("http://crl.example.fi"))
        make_authority(folder / "ca", folder / "ca.passphrases")

    return made_once(tmp_path_factory, "authority", make) / "ca"


@pytest.fixture(scope="session")
def certified(authority: Path) -> Callable[..., CertificateIssued]:
    """Return what gives an event a certificate of the authority of today that says the same."""
    from certificates import certified
    from servicecert_pki.authority import Authority
    from servicecert_pki.keyring import open_keys, read_passphrases

    loaded = Authority.load(authority)
    keys = open_keys(loaded, read_passphrases(authority.with_name("ca.passphrases")))
    return partial(certified, authority=loaded, ca_keys=keys)


@pytest.fixture(scope="session")
def authority_of_2026(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority of 1 January 2026, for tests with a clock of their own, like `authority`."""
    from servicecert_pki.ceremony import make_authority
    from servicecert_pki.ceremony_files import write_identity
    from servicecert_pki.identity import trial
    from servicecert_pki.keyring import read_passphrases
    from servicecert_pki.profiles import load_profiles

    def make(folder: Path) -> None:
        passphrases = folder / "ca.passphrases"
        passphrases.touch(mode=0o600)
        passphrases.write_text("production=a production passphrase\ntest=a test passphrase\n")
        write_identity(folder / "ca", trial("http://crl.example.fi"))
        make_authority(folder / "ca", read_passphrases(passphrases), load_profiles(), datetime(2026, 1, 1, tzinfo=UTC))

    return made_once(tmp_path_factory, "authority-of-2026", make) / "ca"


@pytest.fixture(scope="session")
def authority_of_a_ceremony(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority with production keys, like `authority`."""
    from servicecert_pki.ceremony import install, make_roots, offline_folder, request_cas, sign_requests
    from servicecert_pki.ceremony_files import write_identity
    from servicecert_pki.identity import trial
    from servicecert_pki.keyring import PemStore, read_passphrases
    from servicecert_pki.profiles import load_profiles

    def make(folder: Path) -> None:
        file, ca, now = folder / "ca.passphrases", folder / "ca", datetime.now(UTC)
        ids = [f"{environment}-{family}" for environment in ("production", "test") for family in ("rsa", "ec")]
        file.touch(mode=0o600)
        file.write_text("production=correct horse battery staple\ntest=another horse and its battery\n")
        secrets = read_passphrases(file)
        for each in (ca, offline_folder(ca)):
            write_identity(each, trial("http://crl.example.fi"))
        make_roots(offline_folder(ca), secrets, now)
        request_cas(ca, ids, PemStore(ca, secrets))
        sign_requests(offline_folder(ca), [ca / "requests" / f"{id}.csr" for id in ids], secrets, load_profiles(), now)
        install(ca, [offline_folder(ca) / "issued" / f"{id}.pem" for id in ids], now)

    return made_once(tmp_path_factory, "authority-of-a-ceremony", make) / "ca"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` filled once for all processes of this run. Tests that change it take a copy."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, finished = shared / name, shared / f"{name}.made"
    with (shared / f"{name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not finished.exists():
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder


@pytest.fixture(scope="session")
def known_customers() -> Customers:
    """Four organisations, one for each type of certificate, with keys and requests that OpenSSL made."""
    from chaos.customers import customers

    return asyncio.run(customers())


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """The one SoftHSM2 of this process: the library reads where its tokens are once."""
    from pki.tokens import soft_hsm

    yield from soft_hsm(tmp_path_factory.mktemp("hsm"))


@pytest.fixture
def database_url(parts: Parts) -> Iterator[str]:
    """A database of its own for one test, as its administrator."""
    with new_database(parts, f"test_{uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture(scope="session")
def recycler(parts: Parts) -> Iterator[Recycler]:
    """Databases that are emptied for the next test."""
    recycler = Recycler(parts)
    yield recycler
    recycler.close()


@pytest.fixture
def migrated(recycler: Recycler) -> Iterator[Callable[..., Migrated]]:
    """Return a database with empty tables of services: `migrated(issuer=[MIGRATIONS])`."""
    taken: list[tuple[Schemas, Migrated]] = []

    def take(**folders: Sequence[Path]) -> Migrated:
        kind = schemas(**folders)
        taken.append((kind, recycler.take(kind)))
        return taken[-1][1]

    yield take
    for each in taken:
        recycler.give_back(*each)


@pytest.fixture
async def service_pool(migrated: Callable[..., Migrated]) -> AsyncIterator[ServicePool]:
    """Return a pool on a schema with a service's empty tables: `await service_pool("issuer", MIGRATIONS)`."""
    pools: list[asyncpg.Pool[Any]] = []

    async def make(service: str, migrations: Path) -> asyncpg.Pool[Any]:
        url = migrated(**{service: [migrations]}).urls[service]
        pool = await database.open_pool(url, service)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.terminate()


@pytest.fixture(autouse=True)
def _no_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services' settings come from the test, never from the environment that the tests are started in."""
    for name in list(os.environ):
        if name.startswith(("SERVICECERT_", "SMTP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv(INSECURE, "broker")
