"""A service's start-up errors, each one sentence."""

import asyncio
import json
import re
import socket
from importlib import import_module
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from commandline import one_sentence, run_process
from identities import Identities
from pydantic_settings import BaseSettings
from servicecert_issuer.app import subscribe
from servicecert_issuer.service import MIGRATIONS
from servicecert_schemas.export import EXPORTED
from servicecert_schemas.topics import CATALOGUE, FOLLOWED, SERVICES
from servicecert_worker.process import application
from servicecert_worker.process.service import application as service_application


@pytest.fixture
def place(migrated):
    """A database with the issuer's tables."""
    return migrated(issuer=[MIGRATIONS])


@pytest.fixture
def database_url(place):
    """Its administrator."""
    return place.admin_url


@pytest.fixture
def around(parts, place, authority, tmp_path):
    """The environment variables that the issuer needs."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": parts.bootstrap,
        "DATABASE_URL": place.urls["issuer"],
        "SERVICECERT_TOPIC_PREFIX": "run-",
        "SERVICECERT_CA_DIR": str(authority),
        "SERVICECERT_CA_PASSPHRASE_FILE": str(authority.with_name("ca.passphrases")),
        "SERVICECERT_PATIENCE_SECONDS": "0",
        "SERVICECERT_LOG_LEVEL": "error",
        **Identities(tmp_path / "service-keys").environment("issuer"),
    }


WAYS = {
    "servicecert": ("servicecert_cli", ("run", "issuer")),
    "faststream": ("faststream", ("run", "--factory", "servicecert_issuer.app:app")),
}
"""The two commands that run a service."""


@pytest.fixture(params=["servicecert", pytest.param("faststream", marks=pytest.mark.long)])
def refused(request, around):
    """The issuer's exit code and its one sentence, with each of the two commands."""
    program, arguments = WAYS[request.param]

    def run(*without, **other):
        environment = {name: value for name, value in {**around, **other}.items() if name not in without}
        done = run_process(*arguments, environment=environment, program=program)
        assert done.out == ""
        return done.code, one_sentence(done.err)

    return run


def test_no_broker(refused, around, free_port):
    code, sentence = refused(KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port}")
    assert code == 69
    assert f"Kafka does not answer at 127.0.0.1:{free_port}" in sentence


def test_no_database(refused, around, free_port):
    code, sentence = refused(DATABASE_URL=f"postgresql://a:b@127.0.0.1:{free_port}/a")
    assert code == 69
    assert f"PostgreSQL does not answer at 127.0.0.1:{free_port}" in sentence


def test_I10_a_wrong_password(refused, around):
    parts = urlsplit(around["DATABASE_URL"])
    netloc = f"{parts.username}:mistyped@{parts.hostname}:{parts.port}"
    code, sentence = refused(DATABASE_URL=urlunsplit(parts._replace(netloc=netloc)))
    assert code == 77
    assert "refuses the password" in sentence
    assert "mistyped" not in sentence


def test_a_schema_that_was_never_prepared(refused, around, database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("drop schema issuer cascade")
    code, sentence = refused()
    assert code == 69
    assert "servicecert db prepare" in sentence


def test_f4_a_schema_that_was_never_migrated(refused, around, database_url):
    """The service waits for it: only the migrator may."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("drop table issuer._yoyo_migration")
    code, sentence = refused()
    assert code == 69
    assert "servicecert db migrate" in sentence


def test_f4_a_role_that_may_do_more_than_the_service_needs(refused, around, database_url):
    code, sentence = refused(DATABASE_URL=database_url)
    assert code == 78
    assert "is a superuser: set DATABASE_URL to the one that `servicecert db prepare` wrote" in sentence


def test_a_schema_from_which_a_newer_version_took_something(refused, around, database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        columns = "migration_hash, migration_id, applied_at_utc"
        connection.execute(
            f"insert into issuer._yoyo_migration ({columns}) values ('x', '9999.gone.after-9998.new', now())"
        )
    code, sentence = refused()
    assert code == 78
    assert "newer version" in sentence


def test_f4_a_database_that_another_machine_may_answer_for(refused, around, authority_of_a_ceremony):
    """Production keys are open: the issuer refuses to work with a database in the clear."""
    around |= {
        "SERVICECERT_CA_DIR": str(authority_of_a_ceremony),
        "SERVICECERT_CA_PASSPHRASE_FILE": f"{authority_of_a_ceremony}.passphrases",
    }
    url = re.sub(r"@127\.0\.0\.1:(\d+)/", r"@127.0.0.1:\1,db.invalid:\1/", around["DATABASE_URL"])
    code, sentence = refused(DATABASE_URL=url)
    assert code == 78
    assert "without verified TLS, and production keys are open: add ?sslmode=verify-full" in sentence
    _, sentence = refused(DATABASE_URL=url, SERVICECERT_INSECURE="broker,database")
    assert "servicecert topics create" in sentence
    code, sentence = refused(SERVICECERT_INSECURE="everything")
    assert code == 78
    assert "SERVICECERT_INSECURE" in sentence


def test_topics_that_were_never_made(refused, around):
    code, sentence = refused()
    assert code == 78
    assert "servicecert topics create" in sentence


def test_a_port_in_use(refused, around):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, sentence = refused(SERVICECERT_HEALTH_PORT=str(port))
    assert code == 69
    assert f"Port {port} is in use" in sentence


def test_an_authority_that_was_never_made(refused, around, tmp_path):
    code, sentence = refused(SERVICECERT_CA_DIR=str(tmp_path))
    assert code == 78
    assert "servicecert ca init" in sentence


def test_I10_a_wrong_passphrase(refused, around, tmp_path):
    wrong = tmp_path / "passphrases"
    wrong.write_text("production=mistyped\ntest=too\n")
    wrong.chmod(0o600)
    code, sentence = refused(SERVICECERT_CA_PASSPHRASE_FILE=str(wrong))
    assert code == 78
    assert "passphrase" in sentence
    assert "mistyped" not in sentence


def test_F2_public_keys_that_are_not_there(refused, around, tmp_path):
    code, sentence = refused(SERVICECERT_SERVICE_KEYS=str(tmp_path / "nothing"))
    assert code == 66
    assert "There is no public key" in sentence


def test_F2_without_pinned_keys_nothing_starts(refused, around):
    code, sentence = refused("SERVICECERT_SERVICE_KEYS")
    assert (code, sentence) == (78, "issuer: Set SERVICECERT_SERVICE_KEYS.")
    code, sentence = refused("SERVICECERT_SERVICE_KEY_FILE")
    assert (code, sentence) == (78, "issuer: Set SERVICECERT_SERVICE_KEY_FILE.")


def test_a_setting_that_is_missing(refused, around):
    code, sentence = refused("SERVICECERT_CA_DIR")
    assert code == 78
    assert "SERVICECERT_CA_DIR" in sentence


def test_an_unknown_service(servicecert):
    assert servicecert("run", "baker").exit_code == 2


def test_E3_a_defect_is_told_by_its_lines_and_never_by_its_text(capsys):
    typed_in = "Aino Esimerkki"

    async def broken():
        raise RuntimeError(typed_in)

    with pytest.raises(RuntimeError) as raised:
        asyncio.run(broken())
    assert application.report_exit("intake", raised.value) == 70
    sentence = capsys.readouterr().err
    assert "intake: ended by a defect: RuntimeError at test_run.py" in sentence
    assert "Aino" not in sentence


def test_the_contract_is_what_faststream_prints(tmp_path):
    document = tmp_path / "asyncapi.json"
    done = run_process("docs", "gen", "--factory", "servicecert_notifier.app:app", "-o", document, program="faststream")
    assert done.code == 0, done.err
    assert json.loads(document.read_text()) == json.loads((EXPORTED / "asyncapi.json").read_text())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_subscribes_to_what_the_catalogue_lets_it_read(monkeypatch, name):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://none/none")
    monkeypatch.setenv("SERVICECERT_SERVICE_KEYS", "none")
    monkeypatch.setenv("SERVICECERT_SERVICE_KEY_FILE", "none")
    module = import_module(f"servicecert_{name}.service")
    service = SimpleNamespace(
        NAME=name, MIGRATIONS=None, READS=module.READS, PATIENT=(), Settings=BaseSettings, open_service=None
    )
    (subscriber,) = service_application(service, subscribe).broker.subscribers
    assert set(subscriber.topic_names) == {topic.name for topic in module.READS}
    followed = {topic.name for topic in FOLLOWED}
    readable = {topic.name for topic in CATALOGUE if name in topic.readers}
    assert set(subscriber.topic_names) == readable - followed
