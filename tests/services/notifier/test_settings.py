"""Wrong settings, and their messages."""

from typing import Any

import pytest
from pydantic import ValidationError
from servicecert_notifier.settings import Settings
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.environment import read

GOOD: dict[str, Any] = {"smtp_host": "mail.example", "servicecert_mail_from": "ca@example.fi"}


def test_the_environment_names_are_the_documented_ones(monkeypatch, tmp_path):
    password = tmp_path / "password"
    password.write_text("secret\r\nand a remark\n")
    password.chmod(0o600)
    for name, value in {
        "SMTP_HOST": "mail.example",
        "SMTP_PORT": "2525",
        "SMTP_TLS": "starttls",
        "SMTP_USERNAME": "notifier",
        "SMTP_PASSWORD_FILE": str(password),
        "SERVICECERT_MAIL_FROM": "Varmenteet <ca@example.fi>",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.smtp_port, settings.password(), settings.sender.address) == (2525, "secret", "ca@example.fi")
    assert settings.contact == "ca@example.fi"
    assert "secret" not in repr(settings)


def test_a_fault_names_the_variable_as_it_is_written(monkeypatch):
    for name in ("SMTP_HOST", "SERVICECERT_MAIL_FROM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SMTP_PORT", "mail")
    with pytest.raises(OperatorError) as refused:
        read(Settings)
    assert str(refused.value).splitlines() == [
        "Set SMTP_HOST.",
        'SMTP_PORT is "mail": a whole number from 1 to 65,535 is needed.',
        "Set SERVICECERT_MAIL_FROM.",
    ]


def test_whom_to_ask_can_be_set():
    settings = Settings(**GOOD, servicecert_mail_contact="help@example.fi")
    assert (settings.contact, settings.password()) == ("help@example.fi", None)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"smtp_username": "x"}, "belong together"),
        ({"servicecert_mail_from": "nobody"}, "write it as name@domain"),
        ({"smtp_tls": "maybe"}, "starttls"),
        ({"smtp_port": 0}, "greater than or equal to 1"),
        ({"smtp_password_file": "missing"}, "not point to a file"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_way_out(wrong, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Settings(**GOOD | wrong)


def test_a_password_never_goes_unencrypted(tmp_path):
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    with pytest.raises(ValidationError, match="SMTP_TLS=starttls"):
        Settings(**GOOD, smtp_username="x", smtp_password_file=tmp_path / "password", smtp_tls="opportunistic")
