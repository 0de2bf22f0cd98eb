"""DATABASE_URL: what is wrong with it is one sentence, of a service and of a command alike."""

from pathlib import Path

import pytest
from commandline import one_sentence, run_process
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.environment import read
from servicecert_worker.runtime.settings import DatabaseSettings
from servicecert_worker.storage.database_url import fault_of

SECRET = "s3cr3t"
NO_ADDRESS = "is no address of PostgreSQL: write it as postgresql://user:password@host:port/database"
WRONG = {
    f"mysql://us:{SECRET}@db/d": NO_ADDRESS,
    "notaurl": NO_ADDRESS,
    "host:abc": NO_ADDRESS,
    f"host=db user=us password={SECRET}": NO_ADDRESS,
    f"postgresql:us:{SECRET}@db/d": NO_ADDRESS,
    f"postgresql://us:{SECRET}@db:abc/d": "has a port that is no number from 1 to 65535",
    f"postgresql://us:{SECRET}@db:65536/d": "has a port that is no number from 1 to 65535",
    f"postgresql://us:{SECRET}@[::1/d": "has brackets that enclose no IPv6 address",
    f"postgresql://us:{SECRET}@db:5432": "names no database",
    f"postgresql://us:{SECRET}%@db/d": "has a % that is no part of a code: write a % of a user or password as %25",
    f"postgresql://us:{SECRET}/@db/d": "has a /, ? or # in its user or password: write them as %2F",
    f"postgresql://us:{SECRET}#@db/d": "has a /, ? or # in its user or password: write them as %2F",
    f"postgresql://us:{SECRET}?@db/d": "has a /, ? or # in its user or password: write them as %2F",
    f"postgresql://us:{SECRET}@db/d?sslmode=verifyfull": "has an sslmode that does not exist: use one of disable",
    f"postgresql://us:{SECRET}@db/d?sslmode=require&sslrootcert=/nowhere": "or holds no certificate in PEM: correct",
    f"postgresql://us:{SECRET}@db/d?sslmode=require&sslkey=/nowhere": "names a file that cannot be read: correct",
}
RIGHT = (
    "postgresql://us:s3cr3t%25@db/d?sslmode=verify-full",
    "postgres://us@[::1]:5433,db2:5432/d",
    "postgresql:///d?host=/var/run/postgresql",
    "postgresql://db?dbname=d",
    "postgresql://us@db/d?sslmode=verify-full&sslrootcert=system",
)


@pytest.mark.parametrize("url", WRONG)
def test_I10_a_wrong_url_is_one_sentence_without_its_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(OperatorError) as refused:
        read(DatabaseSettings)
    sentence = one_sentence(str(refused.value))
    assert sentence.startswith("DATABASE_URL ")
    assert WRONG[url] in sentence
    assert SECRET not in sentence
    assert refused.value.exit_code == 78


@pytest.mark.parametrize("url", RIGHT)
def test_what_both_libraries_read_is_right(url: str) -> None:
    assert fault_of(url) is None


def test_a_file_without_a_certificate_is_no_ca(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none\n")
    url = f"postgresql://us@db/d?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
    assert (
        fault_of(url)
        == f"names a file that cannot be read or holds no certificate in PEM: correct sslrootcert={tmp_path}/ca.pem"
    )


@pytest.mark.parametrize("command", [("db", "migrate"), ("run", "intake"), ("mail", "list"), ("lag", "--serve")])
def test_services_and_commands_say_the_same(command: tuple[str, ...]) -> None:
    wrong = {"DATABASE_URL": f"mysql://us:{SECRET}@db/d", "KAFKA_BOOTSTRAP_SERVERS": "k:1"}
    keys = {"SERVICECERT_SERVICE_KEYS": "keys", "SERVICECERT_SERVICE_KEY_FILE": "key"}
    done = run_process(*command, environment=wrong | keys)
    assert done.code == 78
    assert one_sentence(done.err).partition(": ")[2] == f"DATABASE_URL {NO_ADDRESS}."
