"""`servicecert doctor`, as people and monitoring systems run it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from cli.doctor.installation import MIGRATIONS
from commandline import read_json
from servicecert_cli.doctor.catalogue import CATALOGUE
from servicecert_cli.doctor.facts import groups
from servicecert_schemas.topics import SERVICES
from servicecert_worker.storage import database, schema

OF_KAFKA = ("topics", "workers", "lag", "registers", "broker-version")
OF_DATABASE = ("locks", "parked", "audit-attested", "crl-passes", "mails")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The two looks at the lag follow each other at once."""
    monkeypatch.setattr(groups, "LOOK_SECONDS", 0.0)


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


def test_it_names_all_checks_with_a_line_each(servicecert):
    done = servicecert("doctor", "--list")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(CATALOGUE)
    assert len(CATALOGUE) > 30
    assert all(line.endswith("?") for line in lines)
    (only,) = read_json(servicecert("doctor", "--list", "--only", "crl", "--json"))
    assert only["subject"] == "CRL and OCSP"
    assert only["why"] == CATALOGUE["crl"].check.why


def test_a_name_that_is_no_check_is_unknown_to_monitoring(servicecert):
    done = servicecert("doctor", "--only", "crl,nothing")
    assert done.exit_code == 3
    assert "nothing: no such check" in done.stderr


def test_checks_of_this_machine_need_no_server(servicecert, without_addresses):
    done = servicecert("doctor", "--only", "python,packages", "--only", "trials")
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0], lines[-1]) == (0, "configuration", "3 ok.")
    assert [line.split()[:2] for line in lines[1:4]] == [["ok", "trials"], ["ok", "python"], ["ok", "packages"]]


def test_a_setting_that_is_not_given_is_no_fault(servicecert):
    done = servicecert("doctor", "--only", "ca,mail-server,key-lists,service-keys,crl-disk", "--json")
    assert done.exit_code == 0
    for name, variable in {
        "ca": "SERVICECERT_CA_DIR",
        "mail-server": "SMTP_HOST",
        "key-lists": "SERVICECERT_KEY_LISTS_DIR",
        "service-keys": "SERVICECERT_SERVICE_KEYS",
        "crl-disk": "SERVICECERT_CRL_DIR",
    }.items():
        check = examined(done)[name]
        assert (check["severity"], check["remedy"]) == ("skipped", f"Set {variable} to check it.")


def test_without_addresses_two_checks_say_what_to_set(servicecert, without_addresses):
    done = servicecert("doctor", "--json")
    unknown = {name for name, severity in severities(done).items() if severity == "unknown"}
    assert unknown == {"kafka", "database"}
    assert "Set KAFKA_BOOTSTRAP_SERVERS" in examined(done)["kafka"]["finding"]
    assert "Set DATABASE_URL" in examined(done)["database"]["finding"]
    assert severities(done)["python"] == "ok"


def test_what_needs_a_server_that_is_away_brings_its_check_along(servicecert, no_broker):
    done = servicecert("doctor", "--only", "topics,registers", "--json")
    assert done.exit_code == 2
    assert severities(done) == {"kafka": "critical", "topics": "skipped", "registers": "skipped"}
    assert no_broker in examined(done)["kafka"]["finding"]
    assert examined(done)["topics"]["finding"] == "Not possible: see `kafka`."


def test_settings_of_the_processes_beside_the_services_are_known(servicecert, monkeypatch):
    monkeypatch.setenv("SERVICECERT_CANARY_MAIL", "canary@authority.example")
    monkeypatch.setenv("SERVICECERT_LAG_WINDOW", "20")
    found = read_json(servicecert("doctor", "--only", "variables,settings", "--json"))
    assert {each["name"]: each["severity"] for each in found} == {"variables": "ok", "settings": "ok"}


def test_people_read_what_why_and_what_to_do(servicecert, no_broker):
    done = servicecert("doctor", "--only", "topics")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "Kafka"
    assert lines[1].startswith("critical  kafka")
    assert lines[2] == f"why: {CATALOGUE['kafka'].check.why}"
    assert lines[3] == "-> Start Kafka, or correct the KAFKA_ settings."
    assert lines[4:6] == ["skipped", "Not possible: see `kafka`. (topics)"]
    assert lines[-2:] == ["1 critical, 1 skipped.", "critical: kafka"]


def test_servers_that_never_answer_take_ten_seconds_at_most_and_hide_no_other_check(servicecert, deaf, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", deaf)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody:hunter2@{deaf}/none")
    monkeypatch.setenv("SMTP_HOST", deaf)
    monkeypatch.setenv("SMTP_TLS", "off")
    monkeypatch.setenv("SERVICECERT_MAIL_FROM", "a@authority.example")
    start = time.monotonic()
    done = servicecert("doctor", "--json")
    assert time.monotonic() - start < 10
    found = severities(done)
    bad = {name: severity for name, severity in found.items() if severity in ("unknown", "critical")}
    assert bad == {"kafka": "critical", "database": "critical", "mail-server": "critical"}
    assert {found[name] for name in (*OF_KAFKA, *OF_DATABASE)} == {"skipped"}
    assert found["python"] == found["time-zone"] == "ok"
    assert "hunter2" not in done.stdout


def test_nothing_prepared_is_two_faults_and_no_guesses(servicecert, empty_cluster, admin_url):
    found = severities(servicecert("doctor", "--json"))
    assert found["topics"] == found["migrations"] == "critical"
    assert {found[name] for name in ("partitions", "workers", "lag", "registers", "offsets")} <= {"skipped", "ok"}
    assert {found[name] for name in ("parked", "intents", "audit-attested", "mails", "ocsp")} == {"skipped"}
    assert "unknown" not in found.values()


def test_what_a_service_s_own_role_may_not_see_is_unknown_and_says_who_may(
    servicecert, cluster, admin_url, monkeypatch
):
    urls = database.prepare(admin_url, {service: database.new_password() for service in SERVICES})
    for service, folder in MIGRATIONS.items():
        schema.migrate(admin_url, service, [folder])
    monkeypatch.setenv("DATABASE_URL", urls["intake"])
    checks = examined(servicecert("doctor", "--only", "parked,stopped,locks", "--json"))
    assert {name: check["severity"] for name, check in checks.items()} == {
        "parked": "unknown",
        "stopped": "unknown",
        "locks": "ok",
    }
    assert checks["stopped"]["finding"] == "DATABASE_URL's role may not read the tables of issuer."
    assert "servicecert db reader" in checks["stopped"]["remedy"]
