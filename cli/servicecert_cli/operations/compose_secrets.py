"""The secrets of docker-compose.yml: drawn once, or those of `.env`, each written only where its reader can see it."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from servicecert_schemas.broker import Principal
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database

from ..faults import UserError
from .broker_identities import ADMINISTRATOR, BROKER, TrialCa
from .files import file_errors, write_whole

LEAST_CHARACTERS = 16
_ENTROPY_BYTES = 24

_LOGINS = (*SERVICES, *database.LOGINS)
_DATABASE, _ADMIN = "postgres", "admin"
_PASSWORDS = {_DATABASE: "POSTGRES_PASSWORD", **{each: f"{each.upper()}_DATABASE_PASSWORD" for each in _LOGINS}}
_PASSPHRASES = {"production": "CA_PASSPHRASE_PRODUCTION", "test": "CA_PASSPHRASE_TEST"}
_BROKER_HOSTS = ("kafka", "localhost", "127.0.0.1")
_OVER_TLS = "sslmode=verify-full&sslrootcert=/run/servicecert/ca.pem"
USERS = (ADMINISTRATOR, *(who for who in Principal if who is not Principal.TOPICS_CREATOR))
"""The broker's users that a container is; the administrator creates the topics."""
VARIABLES = (*_PASSWORDS.values(), *_PASSPHRASES.values())
"""The variables of .env."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How many secrets were drawn, given by the environment, or there from an earlier start."""

    drawn: int = 0
    given: int = 0
    there: int = 0


def environment_file() -> str:
    """Return the text of a .env with a drawn value for each variable."""
    return "".join(f"{name}={secrets.token_hex(_ENTROPY_BYTES)}\n" for name in VARIABLES)


def write(folder: Path, environment: Mapping[str, str]) -> Kept:
    """Write what is not there yet: passwords for roles, database URLs, the CA's passphrases, the servers' identities.

    `folder` gets `postgres` for the database server; `admin/DATABASE_URL`; `<service>/password` and
    `<service>/DATABASE_URL`; `ca/ca.passphrases`; `kafka/broker` and `kafka/<user>`. Raises UserError for a value that
    is too short, has another character than the visible ones of ASCII, or differs from the one that is there, where
    only some are given, and where nothing can be written.
    """
    given = {name: value for name in VARIABLES if (value := environment.get(name, ""))}
    for name, value in given.items():
        _check(name, value)
    before = _read(folder)
    for name, value in given.items():
        if before.get(name, value) != value:
            raise UserError(
                f"{name} differs from the one that the volumes were made with: set that again, or delete the volumes "
                "with all they hold (docker compose down --volumes).",
                os.EX_CONFIG,
            )
    missing = [name for name in VARIABLES if name not in given and name not in before]
    if given and missing:
        raise UserError(
            f"{', '.join(missing)} missing in .env: write all {len(VARIABLES)} values, or none to have them drawn, or"
            " run `servicecert compose env`.",
            os.EX_CONFIG,
        )
    drawn = {name: secrets.token_hex(_ENTROPY_BYTES) for name in missing}
    values = {**drawn, **before, **given}
    with file_errors("written", folder, "mount a volume there that this process may write"):
        for reader, name in _PASSWORDS.items():
            user, place = ("postgres", _ADMIN) if reader == _DATABASE else (f"servicecert_{reader}", reader)
            # PostgreSQL's container has another user; its volume is mounted nowhere else.
            _write(folder / reader / "password", values[name], 0o444 if reader == _DATABASE else 0o400)
            url = f"postgresql://{user}:{quote(values[name], safe='')}@{_DATABASE}:5432/servicecert?{_OVER_TLS}"
            _write(folder / place / "DATABASE_URL", url, 0o400)
        lines = "".join(f"{use}={values[name]}\n" for use, name in _PASSPHRASES.items())
        _write(folder / "ca" / "ca.passphrases", lines, 0o400)
        _write_identities(folder)
    return Kept(len(drawn), len(given.keys() - before.keys()), len(before))


def _write_identities(folder: Path) -> None:
    """Write a certificate for each server and each of the broker's users: all of one CA, so all again if one lacks."""
    postgres, broker = folder / _DATABASE, folder / "kafka" / BROKER
    users = [folder / "kafka" / user for user in USERS]
    places = (postgres, broker, *users, *(folder / reader for reader in (_ADMIN, *_LOGINS)))
    if all((each / "ca.pem").exists() for each in places):
        return
    ca = TrialCa()
    server, own = ca.issue(_DATABASE, [_DATABASE]), ca.issue(BROKER, _BROKER_HOSTS)
    # The servers' containers have other users; their volumes are mounted nowhere else.
    _write(postgres / "server.key", server.key, 0o444)
    _write(postgres / "server.crt", server.certificate, 0o444)
    _write(postgres / "pg_hba.conf", _OVER_TLS_ALONE, 0o444)
    _write(broker / "keystore.pem", own.key + own.certificate + ca.certificate, 0o444)
    _write(broker / "client.properties", _AS_BROKER, 0o444)
    for user in users:
        identity = ca.issue(user.name)
        _write(user / "key.pem", identity.key, 0o400)
        _write(user / "certificate.pem", identity.certificate, 0o400)
    for each in places:
        _write(each / "ca.pem", ca.certificate, 0o444)


_OVER_TLS_ALONE = """\
local   all all     scram-sha-256
hostssl all all all scram-sha-256
"""
"""Who may connect to the database server."""

_AS_BROKER = """\
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=/run/servicecert-kafka/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=/run/servicecert-kafka/ca.pem
"""
"""How the health check of the broker's container reaches it."""


def _check(name: str, value: str) -> None:
    if len(value) < LEAST_CHARACTERS or not value.isascii() or not value.isprintable() or " " in value:
        raise UserError(
            f"{name} in .env must have at least {LEAST_CHARACTERS} visible ASCII characters, without spaces: write a "
            "longer one, or run `servicecert compose env`.",
            os.EX_CONFIG,
        )


def _read(folder: Path) -> dict[str, str]:
    found = {}
    for reader, name in _PASSWORDS.items():
        if (path := folder / reader / "password").exists():
            found[name] = path.read_text()
    if (path := folder / "ca" / "ca.passphrases").exists():
        lines = dict(line.split("=", 1) for line in path.read_text().splitlines())
        found |= {name: lines[use] for use, name in _PASSPHRASES.items()}
    return found


def _write(path: Path, text: str, mode: int) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode(), mode)
