"""What a service says before it works, when something around it is not as it must be."""

import socket
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from commandline import one_sentence, run_process
from servicecert_worker.process import run as process
from servicecert_worker.storage import database


@pytest.fixture
def around(parts, database_url, authority, tmp_path):
    """All that the issuer needs, in the environment's names."""
    (url,) = database.prepare(database_url, {"issuer": database.new_password()}).values()
    return {
        "KAFKA_BOOTSTRAP_SERVERS": parts.bootstrap,
        "DATABASE_URL": url,
        "SERVICECERT_TOPIC_PREFIX": "run-",
        "SERVICECERT_CA_DIR": str(authority),
        "SERVICECERT_CA_PASSPHRASE_FILE": str(authority.with_name("ca.passphrases")),
        "SERVICECERT_CRL_BASE_URL": "http://127.0.0.1:1",
        "SERVICECERT_PATIENCE_SECONDS": "0",
        "SERVICECERT_LOG_LEVEL": "error",
    }


def refused(around, **other):
    """The issuer's exit code and the one sentence that it says."""
    done = run_process("run", "issuer", environment={**around, **other})
    assert done.out == ""
    return done.code, one_sentence(done.err)


def test_no_broker(around, free_port):
    code, said = refused(around, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port}")
    assert code == 69
    assert f"Kafka does not answer at 127.0.0.1:{free_port}" in said


def test_no_database(around, free_port):
    code, said = refused(around, DATABASE_URL=f"postgresql://a:b@127.0.0.1:{free_port}/a")
    assert code == 69
    assert f"PostgreSQL does not answer at 127.0.0.1:{free_port}" in said


def test_I10_a_wrong_password(around):
    parts = urlsplit(around["DATABASE_URL"])
    netloc = f"{parts.username}:mistyped@{parts.hostname}:{parts.port}"
    code, said = refused(around, DATABASE_URL=urlunsplit(parts._replace(netloc=netloc)))
    assert code == 77
    assert "refuses the password" in said
    assert "mistyped" not in said


def test_a_schema_that_was_never_prepared(around, database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("drop schema issuer cascade")
    code, said = refused(around)
    assert code == 78
    assert "servicecert db prepare" in said


def test_a_schema_of_a_newer_version(around):
    database.migrate(around["DATABASE_URL"], "issuer", [])
    with psycopg.connect(around["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "insert into issuer._yoyo_migration (migration_hash, migration_id, applied_at_utc) values ('x', '9999', now())"
        )
    code, said = refused(around)
    assert code == 78
    assert "newer version" in said


def test_topics_that_were_never_made(around):
    code, said = refused(around)
    assert code == 78
    assert "servicecert topics create" in said


def test_a_port_in_use(around):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused(around, SERVICECERT_HEALTH_PORT=str(port))
    assert code == 69
    assert f"Port {port} is in use" in said


def test_an_authority_that_was_never_made(around, tmp_path):
    code, said = refused(around, SERVICECERT_CA_DIR=str(tmp_path))
    assert code == 78
    assert "servicecert ca init" in said


def test_I10_a_wrong_passphrase(around, tmp_path):
    wrong = tmp_path / "passphrases"
    wrong.write_text("production=mistyped\ntest=too\n")
    code, said = refused(around, SERVICECERT_CA_PASSPHRASE_FILE=str(wrong))
    assert code == 77
    assert "passphrase" in said
    assert "mistyped" not in said


def test_a_setting_that_is_missing(around):
    code, said = refused({name: value for name, value in around.items() if name != "SERVICECERT_CA_DIR"})
    assert code == 78
    assert "SERVICECERT_CA_DIR" in said


def test_an_unknown_service(servicecert):
    assert servicecert("run", "baker").exit_code == 2


def test_E3_a_defect_is_told_by_its_lines_and_never_by_its_text(monkeypatch, servicecert):
    typed_in = "Aino Esimerkki"

    def broken(_: object) -> int:
        raise RuntimeError(typed_in)

    monkeypatch.setattr(process, "run", broken)
    result = servicecert("run", "intake")
    assert result.exit_code == 70
    assert "ended by a defect: RuntimeError at test_run.py" in result.stderr
    assert "Aino" not in result.stderr
