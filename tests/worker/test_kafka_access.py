"""The settings of Kafka's security, and the sentences for wrong ones."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError
from servicecert_cli.operations.broker_identities import TrialCa
from servicecert_worker.core.access import PLAINTEXT_ACCESS, KafkaAccess
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.environment import read


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("secret\nand a remark\n")
    file.chmod(0o600)
    return file


def test_the_default_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT"}
    assert KafkaAccess().to("a:1,b:2") == plain
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    assert PLAINTEXT_ACCESS.to("a:1,b:2") == plain


def test_tls_verifies_the_brokers() -> None:
    context = KafkaAccess(security_protocol="SSL").to("a:1")["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_I10_a_login_comes_from_a_file_and_is_not_shown(password: Path) -> None:
    access = KafkaAccess(security_protocol="SASL_SSL", sasl_username="us", sasl_password_file=password)
    options = access.to("a:1")
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "us")
    assert options["sasl_plain_password"] == "secret"
    assert "secret" not in repr(access)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "us"}, "set all three, or none"),
        ({"KAFKA_SASL_USERNAME": "us", "KAFKA_SASL_PASSWORD_FILE": "{password}"}, "set all three, or none"),
        ({"KAFKA_CA_FILE": "{password}"}, "KAFKA_CA_FILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "{password}"},
            "KAFKA_CA_FILE cannot be read, or holds no",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "/nowhere"},
            'KAFKA_CA_FILE is "/nowhere": a file is needed.',
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, 'KAFKA_SECURITY_PROTOCOL is "TLS": one of PLAINTEXT, SSL'),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "us", "KAFKA_SASL_PASSWORD_FILE": "{empty}"},
            "KAFKA_SASL_PASSWORD_FILE: the first line of",
        ),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "KAFKA_SASL_MECHANISM": "PLAIN",
                "KAFKA_SASL_USERNAME": "us",
                "KAFKA_SASL_PASSWORD_FILE": "{password}",
            },
            "so that the password is never sent unencrypted",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "us", "KAFKA_SASL_PASSWORD_FILE": "{open}"},
            "KAFKA_SASL_PASSWORD_FILE: others can read",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_KEY_FILE": "{password}"}, "set both, or none"),
        (
            {"KAFKA_CERTIFICATE_FILE": "{password}", "KAFKA_KEY_FILE": "{password}"},
            "KAFKA_KEY_FILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL",
        ),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SSL",
                "KAFKA_CERTIFICATE_FILE": "{password}",
                "KAFKA_KEY_FILE": "{open}",
            },
            "KAFKA_KEY_FILE: others can read",
        ),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SSL",
                "KAFKA_CERTIFICATE_FILE": "{password}",
                "KAFKA_KEY_FILE": "{password}",
            },
            "or are no certificate and its unencrypted key",
        ),
    ],
)
def test_what_is_incomplete_or_unsafe_is_refused_in_a_sentence(
    password: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    (tmp_path / "empty").touch(mode=0o600)
    (tmp_path / "open").write_text("secret\n")
    (tmp_path / "open").chmod(0o644)
    files = {"password": password, "empty": tmp_path / "empty", "open": tmp_path / "open"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(**files))
    with pytest.raises(OperatorError) as refused:
        read(KafkaAccess)
    fault = str(refused.value)
    assert sentence in fault
    assert "Value error" not in fault


def test_f4_a_client_certificate_is_loaded_and_an_encrypted_key_is_not_asked_for(tmp_path: Path) -> None:
    identity = TrialCa().issue("intake")
    certificate, key = tmp_path / "intake.pem", tmp_path / "intake.key"
    certificate.write_text(identity.certificate)
    key.touch(mode=0o600)
    key.write_text(identity.key)
    access = KafkaAccess(security_protocol="SSL", certificate_file=certificate, key_file=key)
    assert access.environment == {
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_CERTIFICATE_FILE": str(certificate),
        "KAFKA_KEY_FILE": str(key),
    }
    private = load_pem_private_key(identity.key.encode(), None)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"known")))
    with pytest.raises(ValidationError, match="its unencrypted key"):
        KafkaAccess(security_protocol="SSL", certificate_file=certificate, key_file=key)
