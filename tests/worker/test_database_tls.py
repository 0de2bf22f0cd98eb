"""F4: the database by TLS: who is another server, or has no client certificate, is refused in one sentence."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servicecert_cli.operations.broker_identities import TrialCa
from servicecert_launcher import Child, DatabaseTls, Postgres, free_port, tls_front
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.storage import admission, database, schema
from servicecert_worker.storage.database import is_private
from toy.service import MIGRATIONS, NAME


@pytest.fixture(scope="module")
def ca() -> TrialCa:
    return TrialCa()


@pytest.fixture(scope="module")
def secure(ca: TrialCa) -> Iterator[Postgres]:
    """A server that only TLS and a client certificate reach."""
    own, superuser = ca.issue("PostgreSQL", ["127.0.0.1", "localhost"]), ca.issue("postgres")
    tls = DatabaseTls(own.certificate, own.key, ca.certificate, (superuser.certificate, superuser.key))
    server = Postgres(settings={"fsync": "off"}, tls=tls)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def url(secure: Postgres) -> str:
    """The URL of the toy's role, migrated by the migrator."""
    urls = schema.prepare(secure.url, {each: database.new_password() for each in (NAME, database.MIGRATOR)})
    schema.migrate(urls[database.MIGRATOR], NAME, [MIGRATIONS])
    return urls[NAME]


async def refusals(url: str) -> set[str]:
    """Return what both libraries say of a URL: the workers' and the migrator's."""
    with pytest.raises(OperatorError) as fault:
        await admission.check(url, NAME, [MIGRATIONS])
    with pytest.raises(OperatorError) as caught:
        schema.migrate(url, NAME, [MIGRATIONS])
    assert fault.value.exit_code == caught.value.exit_code
    return {str(fault.value), str(caught.value)}


async def test_f4_both_libraries_work_by_tls_with_a_client_certificate(url: str) -> None:
    assert is_private(url)
    await admission.check(url, NAME, [MIGRATIONS])
    await admission.require_least_rights(url, NAME)
    pool = await database.open_pool(url, NAME)
    assert await pool.fetchval("select count(*) from tally") == 0
    await pool.close()


async def test_f4_a_server_that_another_ca_vouches_for_is_refused(url: str, secure: Postgres, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text(TrialCa().certificate)
    sentence, _ = sorted(await refusals(url.replace(str(secure.root), str(other))))
    assert "does not verify by TLS (its certificate is of another CA" in sentence


async def test_f4_a_server_of_another_name_is_refused(url: str, secure: Postgres, ca: TrialCa, tmp_path: Path) -> None:
    """Also if the same CA vouches for it: who has any certificate of that CA is not the database."""
    certificate, key, port = tmp_path / "other.crt", tmp_path / "other.key", free_port()
    another = ca.issue("another", ["db.example.fi"])
    certificate.write_text(another.certificate)
    key.write_text(another.key)
    place = urlsplit(url).port
    command: list[str | Path] = [Path(sys.executable), Path(tls_front.__file__), "127.0.0.1", str(port)]
    front = Child([*command, secure.root.with_name(f".s.PGSQL.{place}"), certificate, key], log=tmp_path / "log")
    with socket.socket() as probe:
        front.await_ready(lambda: probe.connect_ex(("127.0.0.1", port)) == 0, 60)
    try:
        (sentence,) = await refusals(url.replace(f":{place}/", f":{port}/"))
    finally:
        front.kill()
    assert (
        "does not verify by TLS (its certificate is of another name): correct sslmode, sslrootcert or the h" in sentence
    )


async def test_f4_a_client_without_a_certificate_or_without_tls_is_refused(url: str) -> None:
    (sentence,) = await refusals(url.partition("&sslcert=")[0])
    assert "wants a client certificate: add sslcert, sslkey to DATABASE_URL" in sentence
    (sentence,) = await refusals(url.partition("?")[0] + "?sslmode=disable")
    assert "refuses 'postgres_toy' without TLS: add sslmode=verify-full" in sentence


async def test_f4_a_file_that_is_missing_is_named_by_its_setting(url: str, secure: Postgres) -> None:
    (sentence,) = await refusals(url.replace(str(secure.root), "/nowhere/root.crt"))
    assert sentence.startswith("DATABASE_URL names a file that cannot be read or holds no certificate in PEM: correct ")
    assert sentence.endswith("sslrootcert=/nowhere/root.crt.")
