"""Real parts for all tests: one broker and one database server a session, own schemas and topics for each test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from hypothesis import settings
from servicecert_deploy import Parts, start_parts
from servicecert_worker.storage import database

if TYPE_CHECKING:
    from chaos.customers import Customers
    from servicecert_deploy.softhsm import SoftHsm

# A machine that does much else at the same time makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ServicePool = Callable[[str, Path], Awaitable["asyncpg.Pool[Any]"]]

OF_POSTGRES = {"fsync": "off"}
"""Tests kill the server and not the machine: what was written survives that without being forced to the disk."""

LONGEST = (
    "journeys/test_killed_at_every_step.py",
    "journeys/test_turns.py",
    "cli/test_demo.py",
    "worker/test_crash.py",
    "worker/test_clients.py",
    "docs/test_commands.py",
    "chaos/test_small_run.py",
    "journeys/test_nothing_leaks.py",
    "journeys/test_ways.py",
    "deploy/test_kafka.py",
    "worker/test_faults.py",
    "worker/test_start.py",
    "cli/test_run.py",
    "worker/test_three_brokers.py",
    "cli/test_system.py",
    "worker/test_source.py",
    "services/intake/test_workers.py",
    "docs/test_changes.py",
    "deploy/test_postgres.py",
    "cli/test_lag.py",
    "pki/test_specimens.py",
)
"""The files that take longest, which come first, so that the workers of `make test` end together."""

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""Where coverage tells a process that is started to measure itself too."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, after everything was put into random order."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="session", autouse=True)
def measuring() -> Iterator[str | None]:
    """Processes that tests start are measured by `measured_processes` only: it doubles the time of their start."""
    with pytest.MonkeyPatch.context() as patch:
        how = os.environ.get(MEASURED)
        patch.delenv(MEASURED, raising=False)
        yield how


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
    with start_parts(settings=OF_POSTGRES) as started:
        yield started


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority for all tests; its passphrases are beside it in `ca.passphrases`."""
    from servicecert_cli.operations.authority import make_authority

    directory = tmp_path_factory.mktemp("authority") / "ca"
    make_authority(directory, directory.with_name("ca.passphrases"))
    return directory


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
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(parts.database_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    yield parts.database_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(parts.database_url, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')
        # Operators' logins first: a role that made them stays until they are gone.
        query = "select rolname from pg_roles where rolname like %s order by rolcanlogin desc"
        roles = connection.execute(query, (name + "_%",)).fetchall()
        for (role,) in roles:
            connection.execute(f'drop role "{role}"')


@pytest.fixture
async def service_pool(database_url: str) -> AsyncIterator[ServicePool]:
    """Return a pool on a new schema with a service's tables: `await service_pool("issuer", MIGRATIONS)`."""
    pools: list[asyncpg.Pool[Any]] = []

    async def make(service: str, migrations: Path) -> asyncpg.Pool[Any]:
        (url,) = database.prepare(database_url, {service: database.new_password()}).values()
        database.migrate(url, service, [migrations])
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
