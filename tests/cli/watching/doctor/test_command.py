"""`servicecert doctor`, as people and monitoring systems run it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from cli.watching.doctor.installation import MIGRATIONS
from commandline import read_json
from servicecert_cli.watching.doctor.examine import CATALOGUE
from servicecert_pki.identity import FICTITIOUS_FILE
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database, schema

OF_KAFKA = ("Topics", "ServiceDown", "LagHigh", "RegistersEmpty", "Brokers")
OF_DATABASE = ("Locks", "Parked", "AuditUnsigned", "CrlPasses", "MailsWait")


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def without_addresses(monkeypatch):
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def examined(done):
    return {check["name"]: check for check in json.loads(done.stdout)}


def severities(done):
    return {name: check["severity"] for name, check in examined(done).items()}


def test_a_name_that_is_no_check_is_unknown_to_monitoring(servicecert):
    done = servicecert("doctor", "--only", "Crl,nothing")
    assert done.exit_code == 3
    assert f"nothing: no such check; there are {', '.join(CATALOGUE)}." in " ".join(done.stderr.split())


def test_checks_of_this_machine_need_no_server(servicecert, without_addresses):
    done = servicecert("doctor", "--only", "Trials,Settings", "--only", "Variables")
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0], lines[-1]) == (0, "configuration", "3 ok.")
    assert [line.split()[:2] for line in lines[1:4]] == [["ok", "Variables"], ["ok", "Settings"], ["ok", "Trials"]]


def test_a_setting_that_is_not_given_is_no_fault(servicecert):
    done = servicecert("doctor", "--only", "Ca,MailServer,KeyListsMissing,ServiceKeys,CrlDisk", "--json")
    assert done.exit_code == 0
    for name, variable in {
        "Ca": "SERVICECERT_CA_DIR",
        "MailServer": "SMTP_HOST",
        "KeyListsMissing": "SERVICECERT_KEY_LISTS_DIR",
        "ServiceKeys": "SERVICECERT_SERVICE_KEYS",
        "CrlDisk": "SERVICECERT_CRL_DIR",
    }.items():
        check = examined(done)[name]
        assert (check["severity"], check["remedy"]) == ("skipped", f"Set {variable} to check it.")


def test_without_addresses_two_checks_say_what_to_set(servicecert, without_addresses):
    done = servicecert("doctor", "--json")
    unknown = {name for name, severity in severities(done).items() if severity == "unknown"}
    assert unknown == {"KafkaDown", "DatabaseDown"}
    assert "Set KAFKA_BOOTSTRAP_SERVERS" in examined(done)["KafkaDown"]["finding"]
    assert "Set DATABASE_URL" in examined(done)["DatabaseDown"]["finding"]
    assert severities(done)["Settings"] == "ok"


def test_what_needs_a_server_that_is_away_brings_its_check_along(servicecert, no_broker):
    done = servicecert("doctor", "--only", "Topics,RegistersEmpty", "--json")
    assert done.exit_code == 2
    assert severities(done) == {"KafkaDown": "critical", "Topics": "skipped", "RegistersEmpty": "skipped"}
    assert no_broker in examined(done)["KafkaDown"]["finding"]
    assert examined(done)["Topics"]["finding"] == "Not possible: see `KafkaDown`."


def test_settings_of_the_processes_beside_the_services_are_known(servicecert, monkeypatch):
    monkeypatch.setenv("SERVICECERT_CANARY_MAIL", "canary@authority.example")
    monkeypatch.setenv("SERVICECERT_LAG_WINDOW", "20")
    found = read_json(servicecert("doctor", "--only", "Variables,Settings", "--json"))
    assert {each["name"]: each["severity"] for each in found} == {"Variables": "ok", "Settings": "ok"}


def test_people_read_what_why_and_what_to_do(servicecert, no_broker):
    done = servicecert("doctor", "--only", "Topics")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "Kafka"
    assert lines[1].startswith("critical  KafkaDown")
    assert lines[2] == f"why: {CATALOGUE['KafkaDown'].why}"
    assert lines[3:5] == ["-> Start Kafka, or correct the KAFKA_ settings.", "docs/runbook/kafka.md#kafkadown"]
    assert lines[5:7] == ["skipped", "Not possible: see `KafkaDown`. (Topics)"]
    assert lines[-2:] == ["1 critical, 1 skipped.", "critical: KafkaDown"]


def test_servers_that_never_answer_take_ten_seconds_at_most_and_hide_no_other_check(servicecert, deaf, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", deaf)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody:hunter2@{deaf}/none")
    monkeypatch.setenv("SMTP_HOST", deaf)
    monkeypatch.setenv("SMTP_TLS", "off")
    monkeypatch.setenv("SERVICECERT_AUTHORITY_FILE", str(FICTITIOUS_FILE))
    start = time.monotonic()
    done = servicecert("doctor", "--json")
    assert time.monotonic() - start < 10
    found = severities(done)
    bad = {name: severity for name, severity in found.items() if severity in ("unknown", "critical")}
    assert bad == {"KafkaDown": "critical", "DatabaseDown": "critical", "MailServer": "critical"}
    assert {found[name] for name in (*OF_KAFKA, *OF_DATABASE)} == {"skipped"}
    assert found["Variables"] == found["Settings"] == "ok"
    assert "hunter2" not in done.stdout


def test_nothing_prepared_is_two_faults_and_no_guesses(servicecert, empty_cluster, admin_url):
    found = severities(servicecert("doctor", "--json"))
    assert found["Topics"] == found["Migrations"] == "critical"
    assert {found[name] for name in ("Partitions", "ServiceDown", "LagHigh", "RegistersEmpty", "RecordsLost")} <= {
        "skipped",
        "ok",
    }
    assert {found[name] for name in ("Parked", "IntentsStuck", "AuditUnsigned", "MailsWait", "Ocsp")} == {"skipped"}
    assert "unknown" not in found.values()


def test_what_a_service_s_own_role_may_not_see_is_unknown_and_says_who_may(
    servicecert, cluster, admin_url, monkeypatch
):
    urls = schema.prepare(admin_url, {service: database.new_password() for service in SERVICES})
    for service, folder in MIGRATIONS.items():
        schema.migrate(admin_url, service, [folder])
    monkeypatch.setenv("DATABASE_URL", urls["intake"])
    checks = examined(servicecert("doctor", "--only", "Parked,IssuingStopped,Locks", "--json"))
    assert {name: check["severity"] for name, check in checks.items()} == {
        "Parked": "unknown",
        "IssuingStopped": "unknown",
        "Locks": "ok",
    }
    assert checks["IssuingStopped"]["finding"] == "DATABASE_URL's role may not read the tables of intake."
    assert "servicecert db reader" in checks["IssuingStopped"]["remedy"]
