"""`servicecert restore`: what it says and refuses; the journeys try what it does."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from uuid import UUID, uuid4

import psycopg
import pytest
from commandline import one_sentence, read_json, run_process, until
from identities import Identities
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.applications import customer_of, example
from servicecert_intake.service import MIGRATIONS
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.topics import CATALOGUE
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.access import PLAINTEXT_ACCESS
from servicecert_worker.kafka.cluster import Cluster

CASE = UUID(int=1)
HANDLED = """
select exists (select from intake.inbox) and not exists (select from intake.changes)
and not exists (select from intake.intents)
"""


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
def environment(cluster, place, tmp_path):
    """Intake's environment, with a login that may act as the owner of its schema."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
        "SERVICECERT_TOPIC_PREFIX": cluster.prefix,
        "DATABASE_URL": place.admin_url,
        "SERVICECERT_INSECURE": "broker",
        **Identities(tmp_path / "service-keys").environment("intake"),
    }


@pytest.fixture
def said(environment):
    """What a command says in intake's environment: its exit code, output and error."""

    def run(*arguments, **other):
        done = run_process(*arguments, environment=environment | other, timeout=180)
        return done.code, done.out, done.err

    return run


@pytest.fixture
def worker(environment, place):
    """Start a worker of intake."""
    lasting = {"SERVICECERT_SESSION_SECONDS": "3", "SERVICECERT_HEALTH_PORT": "0", "DATABASE_URL": place.urls["intake"]}
    command = [sys.executable, "-m", "servicecert_cli", "run", "intake"]
    with subprocess.Popen(command, env={**os.environ, **environment, **lasting}) as started:
        yield started
        started.kill()


@pytest.fixture
def lost(worker, cluster, place, migrated):
    """Handle an application, and stop the worker; return an empty database that is to take the place of its own."""
    application = example(CertificateType.TEST_SERVER)
    customer = customer_of(application)
    asyncio.run(publish(cluster, customer.submitted(CASE, application, None)))
    with psycopg.connect(place.admin_url, autocommit=True) as connection:
        until(lambda: connection.execute(HANDLED).fetchone() == (True,), worker)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    return migrated(intake=[MIGRATIONS])


def test_F7_an_empty_database_is_filled_once(said, lost, place):
    new = {"DATABASE_URL": lost.admin_url}
    for service_too in (new, {"DATABASE_URL": lost.urls["intake"]}):
        code, out, _ = said("restore", "check", "intake", **service_too)
        assert code == 1
        assert "The tables of intake lack all since " in out
        assert "published: case.changed" in out
        assert "\nRun `servicecert restore apply intake`." in out
    code, out, _ = said("restore", "apply", "intake", **new)
    assert code == 0
    assert "The tables of intake lacked all since " in out
    assert "It is stored: start the workers." in out
    for command in (("restore", "check", "intake"), ("restore", "apply", "intake")):
        for databases in ({}, new):
            code, out, _ = said(*command, **databases)
            assert (code, out) == (0, "The tables of intake have all that its journal has.\n")
    with psycopg.connect(place.admin_url) as old, psycopg.connect(lost.admin_url) as filled:
        query = "select case_id, version, body from intake.cases"
        assert filled.execute(query).fetchall() == old.execute(query).fetchall() != []


def test_programs_are_told_too(said, lost):
    new = {"DATABASE_URL": lost.admin_url}
    facts = read_json(said("restore", "check", "intake", "--json", **new)[1])
    assert (facts["service"], facts["stored"]) == ("intake", False)
    assert facts["lacked"]["published"][CaseChanged.TYPE] == 1
    assert read_json(said("restore", "apply", "intake", "--json", **new)[1]) == {**facts, "stored": True}


def test_F4_who_may_not_change_the_tables_is_told_which_login_may(said, place):
    code, _, error = said("restore", "apply", "intake", DATABASE_URL=place.urls["intake"])
    assert code == 77
    assert "set DATABASE_URL to the migrator's" in one_sentence(error)


def test_after_a_kill_the_refusal_says_how_long_to_wait(said, worker):
    """Kafka takes a killed worker for a member until its session ends: nothing can be stopped then."""
    until(lambda: said("restore", "check", "intake")[0] == 75, worker)
    worker.kill()
    code, _, error = said("restore", "check", "intake")
    assert code == 75
    assert "stop them. Kafka forgets a killed worker after 6 s (SERVICECERT_SESSION_SECONDS)." in one_sentence(error)
    deadline = time.monotonic() + 60
    while said("restore", "check", "intake")[0] == 75:
        assert time.monotonic() < deadline


def test_another_leads(said, place):
    with psycopg.connect(place.urls["intake"], autocommit=True, options="-c search_path=intake") as leader:
        leader.execute("select pg_advisory_lock(lock_of('lead'))")
        code, _, error = said("restore", "apply", "intake")
    assert code == 75
    assert "is running: stop it. A killed one's session ends within 20 s" in one_sentence(error)
