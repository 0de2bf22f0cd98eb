"""Wrong settings, and their messages."""

from typing import Any

import pytest
from pydantic import ValidationError
from servicecert_notifier.settings import Settings
from servicecert_schemas.values import Language
from servicecert_worker.core.faults import OperatorError
from servicecert_worker.runtime.environment import read
from services.notifier.sample_mails import AUTHORITY

MAIL = '[mail]\nsender = "a@example.fi"\ncontact = "+358 29 123 4567"\n'
GOOD: dict[str, Any] = {"smtp_host": "mail.example", "servicecert_authority_file": AUTHORITY}


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
        "SERVICECERT_AUTHORITY_FILE": str(AUTHORITY),
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.smtp_port, settings.password(), settings.sender.address) == (2525, "secret", "ca@example.fi")
    assert "secret" not in repr(settings)


def test_a_fault_names_the_variable_as_it_is_written(monkeypatch):
    for name in ("SMTP_HOST", "SERVICECERT_AUTHORITY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SMTP_PORT", "mail")
    with pytest.raises(OperatorError) as refused:
        read(Settings)
    assert str(refused.value).splitlines() == [
        "Set SMTP_HOST.",
        'SMTP_PORT is "mail": a whole number from 1 to 65,535 is needed.',
        "Set SERVICECERT_AUTHORITY_FILE.",
    ]


def test_c2_mails_are_signed_in_their_language_or_by_the_name_of_the_cas(tmp_path):
    heads = Settings(**GOOD).letterheads
    assert {language: head.name for language, head in heads.items()} == {
        "sv": "Exempelmyndigheten",
        "fi": "Esimerkkivirasto",
        "en": "Example Authority",
    }
    (file := tmp_path / "authority.toml").write_text(f'organisation = "O"\n{MAIL}')
    assert {head.name for head in Settings(**GOOD | {"servicecert_authority_file": file}).letterheads.values()} == {"O"}
    file.write_text(f'organisation = "O"\n{MAIL}closing = {{ sv = "Hej", fi = "Hei", en = "Bye" }}\n')
    heads = Settings(**GOOD | {"servicecert_authority_file": file}).letterheads
    assert [heads[language].closing for language in Language] == ["Hej", "Hei", "Bye"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('organisation = "O"', r"authority.toml has no \[mail\]: add it, as docs/ceremony.md#"),
        ('organisation = "O"\n' + MAIL.replace("a@example.fi", "a"), r"authority.toml cannot be used: mail.sender: "),
        ('organisation = "O"\n' + MAIL.replace("a@", "ä@"), r"mail.sender in .*authority.toml: The address has a char"),
        ('organisation = "O"\n' + MAIL.replace("contact", "phone"), r"authority.toml cannot be used: mail.contact: "),
    ],
)
def test_what_is_wrong_with_the_authority_s_file_is_said_with_its_field(tmp_path, text, sentence):
    (file := tmp_path / "authority.toml").write_text(text)
    with pytest.raises(ValidationError, match=sentence):
        Settings(**GOOD | {"servicecert_authority_file": file})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"smtp_username": "x"}, "belong together"),
        ({"servicecert_authority_file": "missing"}, "not point to a file"),
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
