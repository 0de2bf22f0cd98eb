"""A broker with TLS and a password: commands and workers reach it, or report what is wrong."""

import gc
import subprocess
import sys
import time

import pytest
from commandline import one_sentence, run_process
from identities import Identities
from servicecert_cli.operations.broker_identities import TrialCa
from servicecert_intake.service import MIGRATIONS
from servicecert_launcher import Kafka

SECONDS = 60
PASSWORD = "only-we-know"
PROPERTIES = """
listeners=SECURE://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=SECURE://{host}:{port}
inter.broker.listener.name=SECURE
listener.security.protocol.map=SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    username="broker" password="PASSWORD" user_broker="PASSWORD" user_us="PASSWORD";
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.keystore.certificate.chain=CERTIFICATE
ssl.keystore.key=KEY
ssl.truststore.certificates=ROOT
"""


@pytest.fixture(scope="module")
def ca():
    return TrialCa()


@pytest.fixture(scope="module")
def broker(ca):
    own = ca.issue("broker", ["127.0.0.1"])
    public, private, root = (pem.replace("\n", "\\n") for pem in (own.certificate, own.key, ca.certificate))
    properties = PROPERTIES.replace("CERTIFICATE", public).replace("ROOT", root)
    properties = properties.replace("KEY\n", f"{private}\n").replace("PASSWORD", PASSWORD)
    kafka = Kafka(properties=properties)
    kafka.start()
    yield kafka
    kafka.stop()


@pytest.fixture
def secured(broker, ca, tmp_path, monkeypatch):
    """The environment names the broker, its CA and a login."""
    (tmp_path / "ca.pem").write_text(ca.certificate)
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_CA_FILE": str(tmp_path / "ca.pem"),
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "us",
        "KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password"),
        # This broker checks who it is, but not what he may do.
        "SERVICECERT_INSECURE": "rights",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def test_commands_and_a_worker_reach_it(servicecert, secured, migrated, tmp_path, monkeypatch):
    made = servicecert("topics", "create")
    assert made.exit_code == 0, made.output
    url = migrated(intake=[MIGRATIONS]).urls["intake"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "servicecert_cli", "run", "intake"],
        env={
            **secured,
            "PATH": "",
            "DATABASE_URL": url,
            **Identities(tmp_path / "service-keys").environment("intake"),
            "SERVICECERT_AUDIT_SECONDS": "0.5",
        },
    )
    try:
        # A checkpoint in the topic: the worker follows its registers, leads, and its producer writes.
        until = time.monotonic() + SECONDS
        while not servicecert("audit", "export").stdout:
            assert worker.poll() is None
            assert time.monotonic() < until
        monkeypatch.setenv("DATABASE_URL", url)
        while servicecert("lag", "intake").exit_code:
            assert time.monotonic() < until
    finally:
        worker.terminate()
        assert worker.wait(20) == 0


def test_I10_a_wrong_password_and_an_unknown_ca_are_told_and_not_shown(
    servicecert, secured, migrated, tmp_path, monkeypatch
):
    (tmp_path / "password").write_text("mistyped\n")
    url = migrated(intake=[MIGRATIONS]).urls["intake"]
    done = run_process(
        "run",
        "intake",
        environment={
            **secured,
            "DATABASE_URL": url,
            "SERVICECERT_PATIENCE_SECONDS": "0",
            **Identities(tmp_path / "service-keys").environment("intake"),
            "SERVICECERT_LOG_LEVEL": "error",
        },
    )
    assert done.code == 77
    assert "refuses the password of the user 'us', or has no such user" in one_sentence(
        done.err.splitlines()[-1] + "\n"
    )
    assert "mistyped" not in done.err
    monkeypatch.delenv("KAFKA_CA_FILE")
    refused = servicecert("topics", "list")
    assert refused.exit_code == 69
    assert "does not verify by TLS (its certificate is of another CA): correct KAFKA_CA" in one_sentence(refused.stderr)


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"KAFKA_SASL_USERNAME": "them"}, 77, "refuses the password of the user 'them', or has no such user"),
        ({"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}, 78, "does not offer KAFKA_SASL_MECHANISM=SCRAM-SHA-512"),
        ({"host": "localhost"}, 69, "(its certificate is of another name): correct KAFKA_CA_FILE"),
        ({"host": "nowhere.invalid"}, 69, "(its name is not known): start it, or correct KAFKA_BOOTSTRAP_SERVERS"),
        ({"port": "1"}, 69, "(the connection is refused): start it, or correct KAFKA_BOOTSTRAP_SERVERS"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_CA_FILE": "", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"},
            69,
            "closes the connection: it wants another KAFKA_SECURITY_PROTOCOL than SASL_PLAINTEXT",
        ),
    ],
)
def test_a_connection_that_fails_is_told_with_the_step(servicecert, secured, monkeypatch, changes, code, sentence):
    host, _, port = secured["KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")
    place = f"{changes.get('host', host)}:{changes.get('port', port)}"
    for name, value in {**secured, **changes, "KAFKA_BOOTSTRAP_SERVERS": place}.items():
        monkeypatch.setenv(name, value)
    if not changes.get("KAFKA_CA_FILE", "-"):
        monkeypatch.delenv("KAFKA_CA_FILE")
    refused = servicecert("topics", "list")
    assert sentence in one_sentence(refused.stderr)
    assert refused.exit_code == code
    gc.collect()  # finds a connection that nobody closed


def test_an_incomplete_login_is_one_sentence(servicecert, secured, monkeypatch):
    monkeypatch.delenv("KAFKA_SASL_USERNAME")
    refused = servicecert("topics", "list")
    assert refused.exit_code == 78
    assert "set all three, or none" in one_sentence(refused.stderr)
