"""`servicecert restore` and `servicecert replay`: what they say and refuse; the journeys try what they do."""

import asyncio
import json
from uuid import uuid4

import psycopg
import pytest
from commandline import one_sentence, run_process
from identities import Identities
from servicecert_cli.commands.restore import service_of, settings_of
from servicecert_cli.e_service.application import example
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.operations import replaying
from servicecert_intake.service import MIGRATIONS
from servicecert_schemas.topics import CATALOGUE
from servicecert_schemas.values import CertificateType
from servicecert_worker.faults import OperatorError
from servicecert_worker.kafka import topic_creation
from servicecert_worker.kafka.access import PLAINTEXT_ACCESS
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.storage import database


@pytest.fixture
def place(migrated):
    """A database with intake's tables, and nothing in them."""
    return migrated(intake=[MIGRATIONS])


@pytest.fixture
def environment(parts, place, tmp_path):
    """Intake's environment. One application is submitted."""
    cluster = Cluster(parts.bootstrap, f"restore-{uuid4().hex[:8]}.", PLAINTEXT_ACCESS)
    application = example(CertificateType.TEST_SERVER)
    customer = Customer.of(application.applicant.business_id)

    async def submit() -> None:
        await topic_creation.create(cluster.bootstrap, CATALOGUE, cluster.prefix)
        await publish(cluster, customer.submitted(uuid4(), application, None))

    asyncio.run(submit())
    return {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
        "SERVICECERT_TOPIC_PREFIX": cluster.prefix,
        "DATABASE_URL": place.urls["intake"],
        "SERVICECERT_INSECURE": "broker",
        **Identities(tmp_path / "service-keys").environment("intake"),
    }


@pytest.fixture
def said(environment):
    """What a command says in intake's environment: its exit code, output and error."""

    def run(*arguments):
        done = run_process(*arguments, environment=environment, timeout=180)
        return done.code, done.out, done.err

    return run


def test_an_empty_database_is_filled_once(said):
    code, out, _ = said("replay", "intake")
    assert code == 0
    assert "read: applications" in out
    assert "Nothing is changed. Run `servicecert replay intake --yes`." in out
    assert said("restore", "check", "intake")[0] == 1
    assert json.loads(said("restore", "check", "intake", "--json")[1])["records"] == {"applications": 1}

    code, out, _ = said("replay", "intake", "--yes")
    assert code == 0
    assert "to be published: case.changed" in out
    assert "start its workers" in out

    code, _, error = said("replay", "intake", "--yes")
    assert code == 65
    assert "run `servicecert restore check intake`" in one_sentence(error)
    for command in (("restore", "check", "intake"), ("restore", "apply", "intake")):
        code, out, _ = said(*command)
        assert (code, out) == (0, "The tables of intake know all that its topics have.\n")


def test_another_leads(said, place):
    with psycopg.connect(place.urls["intake"], autocommit=True, options="-c search_path=intake") as leader:
        leader.execute("select pg_advisory_lock(lock_of('leader'))")
        code, _, error = said("restore", "apply", "intake")
    assert code == 75
    assert "is running: stop it" in one_sentence(error)


def test_a_statement_that_takes_too_long_is_no_fault_of_kafkas(environment, place, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(database, "COMMAND_SECONDS", 0.5)
    with psycopg.connect(place.admin_url) as other:
        other.execute("lock table intake.written")
        with pytest.raises(OperatorError, match="PostgreSQL does not answer"):
            asyncio.run(replaying.run(service_of("intake"), settings_of(), act=False, empty=False))
