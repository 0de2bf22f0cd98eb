"""The command, run in this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result
from recycling import Migrated
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections import kafka
from servicecert_cli.main import main
from servicecert_cli.operations.operators import add_operator
from servicecert_launcher import Parts
from servicecert_revoker.service import MIGRATIONS as REVOKER_MIGRATIONS
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database, schema

Servicecert = Callable[..., Result]


@pytest.fixture
def servicecert() -> Servicecert:
    """Runs the command in this process: `servicecert("topics", "list").stdout`."""

    def run(*arguments: object, typed: str | None = None) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch, free_port: int) -> str:
    """The environment names a broker that does not answer."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port}")
    return f"127.0.0.1:{free_port}"


@pytest.fixture
def empty_cluster(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The environment names the broker, under a prefix that no topic has yet."""
    cluster = Cluster(parts.bootstrap, f"cli-{uuid4().hex[:8]}.")
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    asyncio.run(_delete_topics(cluster))


async def _delete_topics(cluster: Cluster) -> None:
    async with kafka.admin(cluster) as admin:
        names = [name for name in await admin.list_topics() if name.startswith(cluster.prefix)]
        if names:
            await admin.delete_topics(names)


@pytest.fixture
def cluster(empty_cluster: Cluster) -> Cluster:
    """The same, with the catalogue's topics."""
    asyncio.run(create_topics(empty_cluster, CATALOGUE))
    return empty_cluster


@pytest.fixture
def admin_url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment names an administrator of a database of the test's own."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


@pytest.fixture
def place(
    migrated: Callable[..., Migrated], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Migrated:
    """A database with the empty tables of a test file's `TABLES`; the environment names its administrator."""
    place = migrated(**request.module.TABLES)
    monkeypatch.setenv("DATABASE_URL", place.admin_url)
    return place


@pytest.fixture
def as_operator(admin_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes an operator's login, which the environment then names."""

    def make() -> None:
        with psycopg.connect(admin_url) as connection:
            has_revoker = connection.execute("select to_regnamespace('revoker') is not null").fetchone() == (True,)
        if not has_revoker:
            schema.prepare(admin_url, {"revoker": database.new_password()})
            schema.migrate(admin_url, "revoker", [REVOKER_MIGRATIONS])
        monkeypatch.setenv("DATABASE_URL", add_operator(admin_url, "anna"))

    return make
