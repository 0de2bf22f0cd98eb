import json
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from commandline import FAULT, one_sentence


def urls(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def test_each_service_gets_a_role_that_sees_its_own_schema(servicecert, admin_url, tmp_path):
    out = tmp_path / "urls"
    done = servicecert("db", "prepare", "--out", out)
    assert done.exit_code == 0
    assert str(out) in done.stdout
    assert out.stat().st_mode & 0o777 == 0o600
    assert set(urls(out.read_text())) == {
        f"{service}_DATABASE_URL" for service in ("INTAKE", "ISSUER", "REVOKER", "NOTIFIER")
    }
    with psycopg.connect(urls(out.read_text())["ISSUER_DATABASE_URL"]) as connection:
        assert connection.execute("show search_path").fetchone() == ("issuer",)


def test_a_second_run_keeps_the_schemas_and_draws_new_passwords(servicecert, admin_url, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert servicecert("db", "prepare", "--out", first).exit_code == 0
    with psycopg.connect(urls(first.read_text())["INTAKE_DATABASE_URL"]) as connection:
        connection.execute("create table kept (it int)")
    assert servicecert("db", "prepare", "--out", second).exit_code == 0
    with psycopg.connect(urls(second.read_text())["INTAKE_DATABASE_URL"]) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)


def test_passwords_are_taken_from_the_environment_and_from_files(servicecert, admin_url, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("from a file\nnot this line\n")
    monkeypatch.setenv("SERVICECERT_ISSUER_DATABASE_PASSWORD", "from the environment")
    monkeypatch.setenv("SERVICECERT_REVOKER_DATABASE_PASSWORD_FILE", str(secret))
    done = servicecert("db", "prepare")
    assert "New passwords of intake, notifier were not written" in done.stdout
    parts = urlsplit(admin_url)
    name = parts.path[1:]
    for service, password in (("issuer", "from%20the%20environment"), ("revoker", "from%20a%20file")):
        netloc = f"{name}_{service}:{password}@{parts.hostname}:{parts.port}"
        with psycopg.connect(urlunsplit(parts._replace(netloc=netloc))) as connection:
            assert connection.execute("select current_user").fetchone() == (f"{name}_{service}",)


def test_json_names_the_services_and_no_password(servicecert, admin_url):
    assert json.loads(servicecert("db", "prepare", "--json").stdout) == {
        "services": ["intake", "issuer", "revoker", "notifier"],
        "urls": None,
    }


@pytest.mark.parametrize("content", [None, "\n", b"\xff\xfe"])
def test_a_password_file_that_gives_none_is_named(servicecert, admin_url, tmp_path, monkeypatch, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.setenv("SERVICECERT_ISSUER_DATABASE_PASSWORD_FILE", str(path))
    done = servicecert("db", "prepare")
    assert done.exit_code == 66
    assert str(path) in one_sentence(done.stderr)


def test_urls_that_cannot_be_written_are_told(servicecert, admin_url, tmp_path):
    done = servicecert("db", "prepare", "--out", tmp_path / "no" / "folder")
    assert done.exit_code == 73
    assert "cannot be written" in one_sentence(done.stderr)


def test_without_a_database_it_says_what_to_set(servicecert, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    done = servicecert("db", "prepare")
    assert (done.exit_code, done.stdout) == (78, "")
    assert one_sentence(done.stderr).startswith(f"{FAULT}Set DATABASE_URL")


def test_a_database_that_does_not_answer_is_told(servicecert, monkeypatch, free_port):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://someone:secret@127.0.0.1:{free_port}/postgres")
    done = servicecert("db", "prepare")
    assert done.exit_code == 69
    assert f"127.0.0.1:{free_port}" in one_sentence(done.stderr)
    assert "secret" not in done.stderr


def test_I10_a_wrong_password_is_told_and_not_shown(servicecert, monkeypatch, admin_url):
    parts = urlsplit(admin_url)
    wrong = urlunsplit(parts._replace(netloc=f"{parts.username}:mistyped@{parts.hostname}:{parts.port}"))
    monkeypatch.setenv("DATABASE_URL", wrong)
    done = servicecert("db", "prepare")
    assert done.exit_code == 77
    assert "refuses the password" in one_sentence(done.stderr)
    assert "mistyped" not in done.stderr
