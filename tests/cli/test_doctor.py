"""`servicecert doctor` against Kafka and PostgreSQL."""

import asyncio
import json

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from commandline import do, run_process
from servicecert_cli.operations import limit_facts
from servicecert_revoker.service import MIGRATIONS
from servicecert_worker.storage import database

SUBJECTS = ["workers", "lag", "intents"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The two looks at the lag follow each other at once."""
    monkeypatch.setattr(limit_facts, "LOOK_SECONDS", 0.0)


@pytest.fixture
def prepared(admin_url):
    """The environment names an administrator of a database with all four schemas; returns the services' URLs."""
    urls = database.prepare(admin_url, {service: database.new_password() for service in limit_facts.SERVICES})
    for service in urls:
        database.migrate(admin_url, service, [MIGRATIONS] if service == "revoker" else [])
    return urls


def examined(done):
    return {check["subject"]: check for check in json.loads(done)}


async def execute(url, *statements):
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def test_what_is_measured_on_an_installation_without_workers(servicecert, cluster, admin_url, prepared):
    do(
        lambda: execute(
            admin_url,
            "insert into issuer.intents (id, key, kind, data, owner, since) "
            "select gen_random_uuid(), 'case', 'sign', '{}', 1, now() - interval '5 minutes'",
            "set search_path = revoker",
            "insert into crls (issuer, partition, number, scheduled, allocated_at, this_update, next_update, "
            "entries, sha256, published_at) select 'production-ec', 0, 1, false, now() - interval '20 seconds', now(), "
            "now() + interval '1 day', 5, repeat('0', 64), now()",
        )
    )
    done = servicecert("doctor", "--json")
    assert done.exit_code == 1
    checks = examined(done.stdout)
    assert set(checks) == {
        *(f"{service} {subject}" for service in limit_facts.SERVICES for subject in SUBJECTS),
        *("topics", "copies", "topic settings", "connections", "database", "outboxes", "CRLs"),
    }
    verdicts = {subject: check["verdict"] for subject, check in checks.items()}
    assert {verdicts[f"{service} workers"] for service in limit_facts.SERVICES} == {"limit"}
    assert verdicts["intake lag"] == verdicts["topics"] == verdicts["topic settings"] == verdicts["database"] == "ok"
    assert verdicts["copies"] == "near"
    assert checks["issuer intents"]["finding"] == "1 are open; the oldest waits 300 s."
    assert checks["CRLs"]["finding"].startswith("The last pass of production-ec, 5 entries, took 20.0 s")
    assert "8 for each of 0 workers" in checks["connections"]["finding"]


def test_members_are_seen_and_the_lines_say_what_to_do(cluster, prepared):
    async def with_a_member():
        names = [f"{cluster.prefix}{name}" for name in ("accepted-applications", "certificate-status")]
        consumer = AIOKafkaConsumer(
            *names,
            bootstrap_servers=cluster.bootstrap,
            group_id=cluster.group("issuer"),
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            return await asyncio.to_thread(run_process, "doctor")
        finally:
            await consumer.stop()

    done = do(with_a_member)
    lines = done.out.splitlines()
    assert "ok       issuer workers    1 for 24 partitions; up to 12 help." in lines
    at = lines.index("limit    intake workers    No worker runs: nobody reads its topics.")
    assert lines[at + 1].strip() == "-> Start one: `servicecert run intake`."
    assert lines[-1].endswith("3 limit.")
    assert (done.code, done.err) == (1, "")


def test_what_a_service_s_own_role_may_not_see_is_a_line_and_no_abort(servicecert, cluster, prepared, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", prepared["intake"])
    done = servicecert("doctor", "--json")
    verdicts = {subject: check["verdict"] for subject, check in examined(done.stdout).items()}
    assert (verdicts["intake intents"], verdicts["issuer intents"], verdicts["CRLs"]) == ("ok", "unknown", "unknown")
    assert verdicts["connections"] == "ok"


def test_a_schema_and_topics_that_are_missing_are_named(servicecert, empty_cluster, admin_url):
    checks = examined(servicecert("doctor", "--json").stdout)
    assert checks["topics"]["remedy"] == "Run `servicecert topics create`."
    assert checks["issuer workers"]["verdict"] == "limit"
    assert checks["issuer intents"]["finding"] == "The schema issuer is not prepared."


def test_without_kafka_the_database_is_examined_and_the_other_way_round(
    servicecert, no_broker, prepared, parts, free_port, monkeypatch
):
    checks = examined(servicecert("doctor", "--json").stdout)
    assert (checks["Kafka"]["verdict"], checks["outboxes"]["verdict"]) == ("unknown", "ok")
    assert no_broker in checks["Kafka"]["finding"]
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", parts.bootstrap)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody:secret@127.0.0.1:{free_port}/none")
    checks = examined(servicecert("doctor", "--json").stdout)
    assert (checks["PostgreSQL"]["verdict"], checks["topics"]["verdict"]) == ("unknown", "limit")
    assert "secret" not in checks["PostgreSQL"]["finding"]


def test_without_addresses_it_says_what_to_set(servicecert, monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    done = servicecert("doctor")
    assert done.exit_code == 1
    assert "Set KAFKA_BOOTSTRAP_SERVERS" in done.stdout
    assert "Set DATABASE_URL" in done.stdout
    assert done.stdout.endswith("2 unknown.\n")
