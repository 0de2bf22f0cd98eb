"""D2, F4: operators who log in by a client certificate, to a PostgreSQL that asks for one."""

import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psycopg
import pytest
from servicecert_cli.operations.broker_identities import TrialCa
from servicecert_cli.operations.operators import prepare_logins
from servicecert_launcher import Postgres

HBA = """\
hostssl servicecert +servicecert_operators 127.0.0.1/32 cert
hostssl all all 127.0.0.1/32 scram-sha-256
"""


class Issuer:
    """A CA of one test. `issue` writes a certificate and its key into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "ca.pem"
        self._ca = TrialCa()
        self.file.write_text(self._ca.certificate)

    def issue(self, common_name: str, *hosts: str) -> tuple[Path, Path]:
        files = self.folder / f"{common_name}.pem", self.folder / f"{common_name}.key"
        made = self._ca.issue(common_name, hosts)
        for file, pem in zip(files, (made.certificate, made.key), strict=True):
            file.touch(mode=0o600)
            file.write_text(pem)
        return files


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def administrator(issuer: Issuer) -> Iterator[str]:
    """The administrator's URL of a PostgreSQL with TLS, whose operators need a certificate.

    The wheel's server is built without TLS, so it is one of the system; skipped where there is none. It may be older
    than what our schemas need: only the logins are tried, which `operator_logins.change` makes as everywhere.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no PostgreSQL of the system, which has TLS")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("servicecert_launcher.postgres.find_programs", lambda: programs[-1])
        postgres = Postgres()
        postgres.start()
    try:
        folder, account = postgres.log.parent / "tls", postgres._account
        folder.mkdir()
        files = [Path(shutil.copy(file, folder)) for file in (issuer.file, *issuer.issue("server", "127.0.0.1"))]
        (folder / "hba").write_text(HBA)
        for path in (folder, folder / "hba", *files):
            path.chmod(0o700 if path == folder else 0o600)
            if account is not None:
                shutil.chown(path, account.pw_uid, account.pw_gid)
        authority, certificate, key = map(str, files)
        postgres._settings |= {"ssl": "on", "ssl_ca_file": authority, "hba_file": str(folder / "hba")}
        postgres._settings |= {"ssl_cert_file": certificate, "ssl_key_file": key}
        postgres.restart()
        secure = f"?sslmode=verify-full&sslrootcert={quote(str(issuer.file), safe='')}"
        with closing(psycopg.connect(postgres.url + secure, autocommit=True)) as connection:
            connection.execute("create database servicecert")
        url = postgres.url.rpartition("/")[0] + "/servicecert" + secure
        with psycopg.connect(url) as connection:
            connection.execute("create role servicecert_operators")
            connection.execute("create schema revoker")
            prepare_logins(connection)
            for name in ("anna", "bertil"):
                change = "select operator_logins.change('operator-added', %s, null)"
                connection.execute(change, (f"servicecert_operator_{name}",))
        yield url
    finally:
        postgres.stop()


@pytest.fixture
def url_of(administrator: str, issuer: Issuer) -> Callable[..., str]:
    """Returns an operator's URL, as `sslcert` and `sslkey` make it, with a certificate of that name."""

    def url(name: str, *, of: str | None = None, by: Issuer = issuer) -> str:
        certificate, key = by.issue(f"servicecert_operator_{of or name}")
        place = administrator.rpartition("@")[2]
        return f"postgresql://servicecert_operator_{name}@{place}&sslcert={certificate}&sslkey={key}"

    return url


async def test_D2_F4_an_operator_logs_in_by_a_certificate_of_that_name_and_by_nothing_else(
    url_of: Callable[..., str], administrator: str, tmp_path: Path
) -> None:
    place = administrator.rpartition("@")[2]
    for url in (
        url_of("bertil", of="anna"),
        url_of("bertil", by=Issuer(tmp_path)),
        f"postgresql://servicecert_operator_bertil@{place}",
        f"postgresql://servicecert_operator_bertil:guess@{place}",
        url_of("bertil").replace("verify-full", "disable"),
    ):
        with pytest.raises((asyncpg.PostgresError, ConnectionError, ssl.SSLError)):
            await asyncpg.connect(url)
    for name in ("anna", "bertil"):
        connection = await asyncpg.connect(url_of(name))
        assert await connection.fetchval("select session_user") == f"servicecert_operator_{name}"
        await connection.close()
