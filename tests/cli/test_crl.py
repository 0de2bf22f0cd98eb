import json
import signal
import socket
import subprocess
import sys
import urllib.request

import psycopg
import pytest
from commandline import one_sentence, read_json, run_process
from servicecert_cli.operations.operators import add_operator, add_reader
from servicecert_revoker.domain.decide import schedule_key
from servicecert_revoker.service import MIGRATIONS


def test_crls_are_served_until_it_is_told_to_stop(tmp_path):
    (tmp_path / "test-ec.crl").write_bytes(b"a list")
    serving = subprocess.Popen(
        [sys.executable, "-m", "servicecert_cli", "crl", "serve", str(tmp_path), "--host", "127.0.0.1", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        address = serving.stdout.readline().split()[-1]
        with urllib.request.urlopen(address.replace("<CA>", "test-ec")) as answer:
            assert answer.read() == b"a list"
    finally:
        serving.send_signal(signal.SIGTERM)
    assert serving.wait(10) == 0
    serving.stdout.close()


def test_a_port_in_use_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        options = run_process("crl", "serve", tmp_path, "--host", "127.0.0.1", "--port", port)
        place = {"SERVICECERT_CRL_HOST": "127.0.0.1", "SERVICECERT_CRL_PORT": str(port)}
        variables = run_process("crl", "serve", tmp_path, environment=place)
    for done in (options, variables):
        assert done.code == 69
        assert f"Cannot listen on port {port}" in one_sentence(done.err)


@pytest.mark.parametrize("arguments", [("no-such-folder",), ()])
def test_a_folder_must_be_named(servicecert, arguments):
    assert servicecert("crl", "serve", *arguments).exit_code == 2


@pytest.fixture
def admin_url(migrated):
    return migrated(revoker=[MIGRATIONS]).admin_url


@pytest.fixture
def scheduled(admin_url, monkeypatch):
    """The administrator's connection to a revoker's database in which the CRLs of two CAs are due tomorrow."""
    with psycopg.connect(admin_url, autocommit=True, options="-c search_path=revoker") as admin:
        for ca in ("test-ec", "test-rsa"):
            values = "(%s, 'publish', gen_random_uuid(), now() + interval '1 day')"
            admin.execute(f"insert into deadlines (key, kind, id, at) values {values}", [schedule_key(ca)])
            admin.execute("insert into crls (issuer, partition, number, scheduled) values (%s, 0, 1, true)", [ca])
        monkeypatch.setenv("DATABASE_URL", add_operator(admin_url, "anna"))
        yield admin


def due(admin):
    return [key for (key,) in admin.execute("select key from deadlines where at <= now() order by key")]


def test_F7_an_operator_has_crls_published_at_once(scheduled, servicecert):
    said = servicecert("crl", "publish", "test-ec").stdout
    assert said.startswith("The revoker publishes the CRLs of test-ec at once, if it runs. See")
    assert due(scheduled) == [schedule_key("test-ec")]
    facts = read_json(servicecert("crl", "publish", "--json"))
    assert facts == {"cas": ["test-ec", "test-rsa"], "ordered": 2}
    assert due(scheduled) == [schedule_key("test-ec"), schedule_key("test-rsa")]
    entries = scheduled.execute("select key, entry from audit where entry like '%crl publish%' and seq > 1")
    audited = [(key, json.loads(entry)["happened"]["facts"]["operator"]) for key, entry in entries]
    assert sorted(key for key, _ in audited) == [schedule_key(ca) for ca in ("test-ec", "test-ec", "test-rsa")]
    assert all(operator.endswith("_operator_anna") for _, operator in audited)


def test_F7_crls_that_are_under_way_are_not_ordered_again(scheduled, servicecert):
    scheduled.execute("delete from deadlines where key = %s", [schedule_key("test-ec")])
    said = servicecert("crl", "publish").stdout
    assert said.startswith(
        "The revoker publishes the CRLs of test-ec, test-rsa at once, if it runs. Those of 1 CAs were"
    )


def test_F7_an_unknown_ca_is_refused_with_the_known_ones(scheduled, servicecert):
    failed = servicecert("crl", "publish", "test-ec", "tset-rsa")
    assert failed.exit_code == 1
    assert one_sentence(failed.stderr) == "servicecert: There is no CA tset-rsa: there are test-ec, test-rsa."
    assert due(scheduled) == []


def test_F7_without_any_crl_there_is_nothing_to_publish(admin_url, servicecert, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", add_operator(admin_url, "anna"))
    failed = servicecert("crl", "publish")
    assert failed.exit_code == 1
    assert one_sentence(failed.stderr) == "servicecert: No CRLs are published yet: start a revoker."


def test_F4_who_may_only_read_publishes_nothing(scheduled, admin_url, servicecert, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", add_reader(admin_url, "eve"))
    failed = servicecert("crl", "publish", "test-ec")
    assert failed.exit_code == 77
    assert "use an operator's own" in one_sentence(failed.stderr)
    assert due(scheduled) == []
