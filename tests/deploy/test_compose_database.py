"""The database of docker-compose.yml, with the certificate of `compose secrets`, as each container reaches it (F4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict
from servicecert_cli.operations import compose_secrets
from servicecert_launcher import DatabaseTls, Postgres
from servicecert_worker.storage.database import is_private

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).resolve().parents[2] / "docker-compose.yml").read_text())
SERVER = COMPOSE["services"]["postgres"]
MOUNTED = "/run/servicecert-postgres"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    compose_secrets.write(folder, {})
    return folder


@pytest.fixture(scope="module")
def server(secrets: Path) -> Iterator[Postgres]:
    certificate, key, ca = (
        (secrets / "postgres" / name).read_text() for name in ("server.crt", "server.key", "ca.pem")
    )
    postgres = Postgres(tls=DatabaseTls(certificate, key, ca))
    postgres.start()
    yield postgres
    postgres.stop()


def readers() -> list[str]:
    """Return whose secrets some container has."""
    volumes = [each for service in COMPOSE["services"].values() for each in service.get("volumes", ())]
    return [each.split(":")[0].removeprefix("secrets-") for each in volumes if each.endswith(":/run/servicecert:ro")]


def reached(server: Postgres, url: str, ca: Path) -> dict[str, Any]:
    """Return a container's connection on this machine: the server's name, its own settings of TLS, the test's login."""
    own, here = conninfo_to_dict(url), conninfo_to_dict(server.url)
    assert own["sslrootcert"] == f"/run/servicecert/{ca.name}"
    login = {name: here[name] for name in ("port", "user", "password", "dbname")}
    return {**own, **login, "hostaddr": "127.0.0.1", "sslrootcert": ca}


def test_f4_each_container_verifies_the_server_and_refuses_another(
    server: Postgres, secrets: Path, tmp_path: Path
) -> None:
    compose_secrets.write(tmp_path, {})
    assert {"admin", "intake", "issuer", "revoker", "notifier", "migrator", "eraser", "monitoring"} == set(readers())
    for reader in readers():
        url, ca = (secrets / reader / "DATABASE_URL").read_text(), secrets / reader / "ca.pem"
        assert is_private(url)
        parameters = reached(server, url, ca)
        assert parameters["host"] in COMPOSE["services"]
        psycopg.connect(**parameters).close()
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            psycopg.connect(**{**parameters, "sslrootcert": tmp_path / reader / "ca.pem"})


def test_f4_the_server_lets_nobody_in_without_tls(secrets: Path) -> None:
    """Its image copies the key first, which it wants to be its own user's."""
    (script,) = SERVER["command"][2:]
    copy, _, run = script.partition(" && ")
    assert copy == f"install -o postgres -m 0400 {MOUNTED}/server.key /tmp/server.key"
    given = dict(word.split("=", 1) for word in run.split() if "=" in word)
    assert (given["ssl"], given["ssl_min_protocol_version"]) == ("on", "TLSv1.3")
    assert (given["ssl_cert_file"], given["ssl_key_file"]) == (f"{MOUNTED}/server.crt", "/tmp/server.key")
    assert f"secrets-postgres:{MOUNTED}:ro" in SERVER["volumes"]
    rules = (secrets / "postgres" / Path(given["hba_file"]).name).read_text().splitlines()
    assert [line.split()[0] for line in rules] == ["local", "hostssl"]
    assert {line.split()[-1] for line in rules} == {"scram-sha-256"}
