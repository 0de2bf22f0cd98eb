"""`servicecert restore` and `servicecert replay`: what they say and refuse; the journeys try what they do."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from uuid import UUID, uuid4

import psycopg
import pytest
from commandline import one_sentence, read_json, run_process, until
from identities import Identities
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.commands.restore import report, service_of, settings_of
from servicecert_cli.connections import kafka
from servicecert_cli.e_service.application import example
from servicecert_cli.e_service.customer import Customer
from servicecert_cli.e_service.publishing import publish
from servicecert_cli.operations import replaying
from servicecert_cli.operations.forgotten import Forgotten
from servicecert_cli.operations.forgotten_audit import ForgottenAudit
from servicecert_cli.operations.replaying import Outcome
from servicecert_intake.service import MIGRATIONS
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.codec import to_record
from servicecert_schemas.topics import CATALOGUE
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.access import PLAINTEXT_ACCESS
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.core.published import PublishedEvents, event_id
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.replay.replay import Replayed
from servicecert_worker.storage import database
from services.handler import example as event_example

CASE = UUID(int=1)


@pytest.fixture
def place(migrated):
    """A database with intake's tables, and nothing in them."""
    return migrated(intake=[MIGRATIONS])


@pytest.fixture
def cluster(parts):
    """Topics of its own."""
    made = Cluster(parts.bootstrap, f"restore-{uuid4().hex[:8]}.", PLAINTEXT_ACCESS)
    asyncio.run(create_topics(made, CATALOGUE))
    return made


@pytest.fixture
def submission(cluster):
    """The ID of the event that an application is submitted, as the topics have it."""
    application = example(CertificateType.TEST_SERVER)
    customer = Customer.of(application.applicant.business_id)
    (id,) = asyncio.run(publish(cluster, customer.submitted(CASE, application, None)))
    return id


@pytest.fixture
def environment(cluster, submission, place, tmp_path):
    """Intake's environment."""
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
    assert read_json(said("restore", "check", "intake", "--json")[1])["records"] == {"applications": 1}

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


def test_what_was_done_is_told_to_programs_too(said, submission):
    facts = read_json(said("restore", "apply", "intake", "--json")[1])
    assert (facts["workers_start"], facts["records"], facts["published"]) == (True, {"applications": 1}, {})
    assert (facts["done"]["handled"], facts["done"]["unpublished"]) == (1, {CaseChanged.TYPE: 1})


def test_after_a_kill_the_refusal_says_how_long_to_wait(said, environment):
    """Kafka takes a killed worker for a member until its session ends: nothing can be stopped then."""
    lasting = {**environment, "SERVICECERT_SESSION_SECONDS": "3", "SERVICECERT_HEALTH_PORT": "0"}
    command = [sys.executable, "-m", "servicecert_cli", "run", "intake"]
    with subprocess.Popen(command, env={**os.environ, **lasting}) as worker:
        until(lambda: said("restore", "check", "intake")[0] == 75, worker)
        worker.kill()
    code, _, error = said("restore", "check", "intake")
    assert code == 75
    assert "stop them. Kafka forgets a killed worker after 6 s (SERVICECERT_SESSION_SECONDS)." in one_sentence(error)
    deadline = time.monotonic() + 60
    while said("restore", "check", "intake")[0] == 75:
        assert time.monotonic() < deadline


def test_I2_B6_no_worker_starts_where_decisions_differ_from_the_published_ones(
    said, place, cluster, submission, tmp_path
):
    """Until that is accepted: the published view of the case is another than the tables'."""
    view = event_example(CaseChanged, case_id=CASE, version=1)
    id = event_id(submission, view.TYPE, 0)
    made = to_record(view, source="/intake", id=id, time=machine_clock())

    async def send() -> None:
        async with kafka.producer(cluster) as producer:
            await kafka.send(producer, cluster, [Identities(tmp_path / "service-keys").signer("intake").signed(made)])

    asyncio.run(send())

    code, out, _ = said("replay", "intake", "--yes")
    assert code == 1
    assert f"differs: case.changed of {CASE}" in out
    assert "`servicecert restore apply intake --accept-differences` lets them start" in out
    code, out, _ = said("restore", "apply", "intake", "--json")
    assert code == 1
    facts = json.loads(out)
    assert facts["workers_start"] is False
    assert facts["done"]["differs"] == [{"key": str(CASE), "type": view.TYPE, "id": str(id)}]
    code, _, error = said("run", "intake")
    assert code == 65
    assert "does not know records of its topics" in error

    code, out, _ = said("restore", "apply", "intake", "--accept-differences")
    assert code == 0
    assert "start its workers" in out
    with psycopg.connect(place.urls["intake"], options="-c search_path=intake") as connection:
        query = (
            "select count(*) from audit where seq = 1 and entry::jsonb->'begun' @> '{\"accepts_differences\": true}'"
        )
        assert connection.execute(query).fetchone() == (1,)
    assert said("restore", "check", "intake")[:2] == (0, "The tables of intake know all that its topics have.\n")


def test_what_cannot_be_decided_is_told(capsys):
    """The workers may start: they try it again, as ever."""
    forgotten = Forgotten((), PublishedEvents(), Counter({CaseChanged.TYPE: 1}), (), {}, "")
    outcome = Outcome("intake", forgotten, ForgottenAudit((), {}), Replayed(stuck=2))
    report("intake", outcome, "")
    out = capsys.readouterr().out
    assert outcome.exit_code == 1
    assert ("cannot be decided, and stay open", 2) in outcome.rows()
    assert "start its workers" not in out


def test_another_leads(said, place):
    with psycopg.connect(place.urls["intake"], autocommit=True, options="-c search_path=intake") as leader:
        leader.execute("select pg_advisory_lock(lock_of('leader'))")
        code, _, error = said("restore", "apply", "intake")
    assert code == 75
    assert "is running: stop it. A killed one's session ends within 20 s" in one_sentence(error)


def test_a_statement_that_takes_too_long_is_no_fault_of_kafkas(environment, place, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(database, "COMMAND_SECONDS", 0.5)
    with psycopg.connect(place.admin_url) as other:
        other.execute("lock table intake.written")
        with pytest.raises(OperatorError, match="PostgreSQL does not answer"):
            asyncio.run(replaying.run(service_of("intake"), settings_of(), act=False))
