import json
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from commandline import FAULT, one_sentence, read_json
from servicecert_schemas.topics import SERVICES


def urls(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def test_each_service_gets_a_role_that_sees_its_own_schema(servicecert, admin_url, tmp_path):
    out = tmp_path / "urls"
    done = servicecert("db", "prepare", "--out", out)
    assert done.exit_code == 0
    assert str(out) in done.stdout
    assert out.stat().st_mode & 0o777 == 0o600
    assert set(urls(out.read_text())) == {
        f"{service}_DATABASE_URL" for service in (*map(str.upper, SERVICES), "MIGRATOR", "ERASER", "MONITORING")
    }
    with psycopg.connect(urls(out.read_text())["ISSUER_DATABASE_URL"]) as connection:
        assert connection.execute("show search_path").fetchone() == ("issuer",)


def test_a_second_run_keeps_the_schemas_and_draws_new_passwords(servicecert, admin_url, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert servicecert("db", "prepare", "--out", first).exit_code == 0
    with psycopg.connect(admin_url) as connection:
        connection.execute("create table intake.inbox (it int)")
    again = servicecert("db", "prepare", "--out", second)
    assert "The passwords of intake, issuer, revoker, notifier, migrator, eraser, monitoring stay" in again.stdout
    assert not second.exists()
    written = first.read_text()
    assert "--new-passwords makes new ones" in servicecert("db", "prepare", "--out", first).stdout
    assert first.read_text() == written
    assert servicecert("db", "reader", "doctor", "--out", first).exit_code == 0
    assert first.read_text().startswith(f"{written}DATABASE_URL=")
    with psycopg.connect(urls(first.read_text())["INTAKE_DATABASE_URL"]):
        pass
    assert servicecert("db", "prepare", "--new-passwords", "--out", second).exit_code == 0
    with psycopg.connect(admin_url) as connection:
        assert connection.execute("select to_regclass('intake.inbox') is not null").fetchone() == (True,)
    new = urls(second.read_text())["INTAKE_DATABASE_URL"]
    with psycopg.connect(new) as connection:
        assert connection.execute("select current_user").fetchone() == (urlsplit(new).username,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(urls(first.read_text())["INTAKE_DATABASE_URL"])


def test_passwords_are_taken_from_the_environment_and_from_files(servicecert, admin_url, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("from a file\nnot this line\n")
    secret.chmod(0o400)
    monkeypatch.setenv("SERVICECERT_ISSUER_DATABASE_PASSWORD", "from the environment")
    monkeypatch.setenv("SERVICECERT_REVOKER_DATABASE_PASSWORD_FILE", str(secret))
    done = servicecert("db", "prepare")
    assert "New passwords of intake, notifier, migrator, eraser, monitoring were not written" in done.stdout
    parts = urlsplit(admin_url)
    name = parts.path[1:]
    for service, password in (("issuer", "from%20the%20environment"), ("revoker", "from%20a%20file")):
        netloc = f"{name}_{service}:{password}@{parts.hostname}:{parts.port}"
        with psycopg.connect(urlunsplit(parts._replace(netloc=netloc))) as connection:
            assert connection.execute("select current_user").fetchone() == (f"{name}_{service}",)


def test_f4_all_is_migrated_by_the_migrator_and_by_no_service(servicecert, admin_url, tmp_path, monkeypatch):
    out = tmp_path / "urls"
    servicecert("db", "prepare", "--out", out)
    logins = urls(out.read_text())
    monkeypatch.setenv("DATABASE_URL", logins["INTAKE_DATABASE_URL"])
    refused = servicecert("db", "migrate", "intake")
    assert refused.exit_code == 78
    assert "may not migrate the schema 'intake': set DATABASE_URL to the migrator's" in one_sentence(refused.stderr)
    monkeypatch.setenv("DATABASE_URL", logins["MIGRATOR_DATABASE_URL"])
    done = servicecert("db", "migrate", "--json")
    assert json.loads(done.stdout) == {"services": [*SERVICES], "newer": []}
    assert servicecert("db", "migrate", "revoker").stdout == "The schemas of revoker are of this version.\n"
    with psycopg.connect(logins["NOTIFIER_DATABASE_URL"]) as connection:
        assert connection.execute("select count(*) from mails").fetchone() == (0,)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(
            "insert into revoker._yoyo_migration (migration_hash, migration_id, applied_at_utc)"
            " values ('newer', '9998.column', now())"
        )
    assert servicecert("db", "migrate", "revoker").stdout == (
        "The schemas of revoker stay as a newer version made them: this one can use them.\n"
    )
    assert read_json(servicecert("db", "migrate", "--json"))["newer"] == ["revoker"]


def test_f4_a_readers_login_sees_what_is_issued_and_no_person(servicecert, admin_url, tmp_path):
    out = tmp_path / "urls"
    servicecert("db", "prepare", "--out", out)
    servicecert("db", "migrate")
    assert servicecert("db", "reader", "nightly", "--out", tmp_path / "reader").exit_code == 0
    with psycopg.connect(urls((tmp_path / "reader").read_text())["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("select serial, tbs, certificate from issuer.certificates")
        connection.execute("select data from issuer.acts_to_sign")
        for private in (
            '"grant" from issuer.certificates',
            "body from intake.cases",
            "value from intake.parked",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {private}".encode())


def test_f4_the_urls_for_others_name_their_ca_and_no_certificate_of_the_administrator(
    servicecert, admin_url, tmp_path, monkeypatch
):
    own = "sslmode=disable&sslrootcert=/nowhere/ca.crt&sslcert=/nowhere/admin.crt&sslkey=/nowhere/admin.key"
    monkeypatch.setenv("DATABASE_URL", f"{admin_url}?{own}")
    ca = ("--ca", "/etc/servicecert/database-ca.crt")
    for words in (("prepare",), ("operator", "anna"), ("reader", "nightly")):
        out = tmp_path / words[0]
        assert servicecert("db", *words, "--out", out, *ca).exit_code == 0
        servicecert("db", "migrate")
        for url in urls(out.read_text()).values():
            assert urlsplit(url).query == "sslmode=disable&sslrootcert=/etc/servicecert/database-ca.crt"
    assert servicecert("db", "prepare", "--new-passwords", "--out", out).exit_code == 0
    assert "?sslmode=disable&sslrootcert=/nowhere/ca.crt\n" in out.read_text()


def test_json_names_the_services_and_no_password(servicecert, admin_url):
    assert read_json(servicecert("db", "prepare", "--json")) == {
        "services": ["intake", "issuer", "revoker", "notifier"],
        "urls": None,
    }


@pytest.mark.parametrize("content", [None, "\n", b"\xff\xfe"])
def test_a_password_file_that_gives_none_is_named(servicecert, admin_url, tmp_path, monkeypatch, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o400)
    monkeypatch.setenv("SERVICECERT_ISSUER_DATABASE_PASSWORD_FILE", str(path))
    done = servicecert("db", "prepare")
    assert done.exit_code == 66
    assert str(path) in one_sentence(done.stderr)


def test_urls_that_cannot_be_written_are_told_before_a_password_is_new(servicecert, admin_url, tmp_path):
    def verifiers():
        with psycopg.connect(admin_url) as connection:
            return connection.execute("select rolname, rolpassword from pg_authid order by 1").fetchall()

    servicecert("db", "prepare")
    servicecert("db", "migrate")
    before = verifiers()
    for words in (("prepare", "--new-passwords"), ("operator", "anna"), ("reader", "nightly")):
        for out in (tmp_path / "no" / "folder", tmp_path):
            done = servicecert("db", *words, "--out", out)
            assert done.exit_code == 73
            assert "cannot be written" in one_sentence(done.stderr)
    assert verifiers() == before
    assert list(tmp_path.iterdir()) == []


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
