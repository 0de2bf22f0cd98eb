"""`servicecert compose`: what Compose's containers may know."""

import pytest
from cryptography import x509
from servicecert_cli.operations import compose_secrets
from servicecert_worker.core.access import KafkaAccess

LONG = "a-long-random-value"
ALL = dict.fromkeys(compose_secrets.VARIABLES, LONG)


def files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_every_secret_is_drawn_once(servicecert, tmp_path):
    first = servicecert("compose", "secrets", "--folder", str(tmp_path))
    assert (first.exit_code, first.stdout) == (
        0,
        "10 secrets were drawn, 0 taken from the environment, 0 were there.\n",
    )
    before = files(tmp_path)
    again = servicecert("compose", "secrets", "--folder", str(tmp_path))
    assert again.stdout == "0 secrets were drawn, 0 taken from the environment, 10 were there.\n"
    assert files(tmp_path) == before
    drawn = [text for name, text in before.items() if not name.endswith("/ca.pem")]
    assert len(set(drawn)) == len(drawn)


def test_each_reader_gets_its_own(tmp_path):
    compose_secrets.write(tmp_path, {})
    assert {name.partition("/")[0] for name in files(tmp_path)} == {
        "postgres",
        "admin",
        "ca",
        "intake",
        "issuer",
        "revoker",
        "notifier",
        "kafka",
        "migrator",
        "eraser",
        "monitoring",
    }
    password = (tmp_path / "issuer" / "password").read_text()
    url = (tmp_path / "issuer" / "DATABASE_URL").read_text()
    over_tls = "sslmode=verify-full&sslrootcert=/run/servicecert/ca.pem"
    assert url == f"postgresql://servicecert_issuer:{password}@postgres:5432/servicecert?{over_tls}"
    lines = (tmp_path / "ca" / "ca.passphrases").read_text().splitlines()
    assert [line.partition("=")[0] for line in lines] == ["production", "test"]
    modes = {
        str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()
    }
    # The database's and the broker's containers have other users. A CA's certificate is no secret.
    readable = {name for name, mode in modes.items() if mode != 0o400 and not name.endswith("/ca.pem")}
    servers = {path.parent.relative_to(tmp_path) for path in map((tmp_path).joinpath, readable)}
    assert {str(each) for each in servers} == {"postgres", "kafka/broker"}


def test_f4_each_user_of_the_broker_gets_a_certificate_of_its_own_from_one_ca(tmp_path):
    compose_secrets.write(tmp_path, {})
    users = {path.name for path in (tmp_path / "kafka").iterdir()}
    assert users == {"broker", *compose_secrets.USERS}
    (ca_pem,) = {path.read_text() for path in tmp_path.rglob("ca.pem")}
    ca = x509.load_pem_x509_certificate(ca_pem.encode())
    for user in compose_secrets.USERS:
        folder = tmp_path / "kafka" / user
        certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
        certificate.verify_directly_issued_by(ca)
        assert certificate.subject.rfc4514_string() == f"CN={user}"
        KafkaAccess(
            security_protocol="SSL",
            kafka_ca_file=folder / "ca.pem",
            certificate_file=folder / "certificate.pem",
            key_file=folder / "key.pem",
        )
    for lost in ("kafka/intake/ca.pem", "issuer/ca.pem"):
        (tmp_path / lost).unlink()
        compose_secrets.write(tmp_path, {})
        (again,) = {path.read_text() for path in tmp_path.rglob("ca.pem")}
        assert again != ca_pem
        ca_pem = again


def test_given_values_are_taken_and_kept(tmp_path):
    given = ALL | {"POSTGRES_PASSWORD": f"{LONG}/@:", "CA_PASSPHRASE_TEST": f"{LONG}=="}
    kept = compose_secrets.write(tmp_path, given)
    assert (kept.drawn, kept.given, kept.there) == (0, 10, 0)
    assert (tmp_path / "admin" / "DATABASE_URL").read_text().startswith(f"postgresql://postgres:{LONG}%2F%40%3A@")
    assert f"test={LONG}==\n" in (tmp_path / "ca" / "ca.passphrases").read_text()
    kept = compose_secrets.write(tmp_path, given)
    assert (kept.drawn, kept.given, kept.there) == (0, 0, 10)


@pytest.mark.parametrize("value", ["short", "with a space in the middle", "på-finlandssvenska-nu"])
def test_a_value_that_is_too_short_or_cannot_be_typed_is_refused(servicecert, tmp_path, monkeypatch, value):
    monkeypatch.setenv("CA_PASSPHRASE_TEST", value)
    done = servicecert("compose", "secrets", "--folder", str(tmp_path))
    assert done.exit_code == 78
    assert "CA_PASSPHRASE_TEST in .env must have at least 16" in done.stderr
    assert value not in done.stderr
    assert files(tmp_path) == {}


def test_some_values_without_the_others_are_refused_before_the_first_start(servicecert, tmp_path, monkeypatch):
    for name in ALL.keys() - {"CA_PASSPHRASE_TEST"}:
        monkeypatch.setenv(name, LONG)
    done = servicecert("compose", "secrets", "--folder", str(tmp_path))
    assert done.exit_code == 78
    assert "CA_PASSPHRASE_TEST missing in .env: write all 10 values, or none" in done.stderr
    assert files(tmp_path) == {}
    compose_secrets.write(tmp_path, ALL)
    assert servicecert("compose", "secrets", "--folder", str(tmp_path)).exit_code == 0


def test_a_value_that_differs_from_the_one_of_the_volumes_is_refused(servicecert, tmp_path, monkeypatch):
    compose_secrets.write(tmp_path, ALL)
    before = files(tmp_path)
    monkeypatch.setenv("ISSUER_DATABASE_PASSWORD", f"another-{LONG}")
    done = servicecert("compose", "secrets", "--folder", str(tmp_path))
    assert done.exit_code == 78
    assert "ISSUER_DATABASE_PASSWORD differs" in done.stderr
    assert files(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_named(servicecert, tmp_path):
    (tmp_path / "file").touch()
    done = servicecert("compose", "secrets", "--folder", str(tmp_path / "file" / "secrets"))
    assert done.exit_code == 73
    assert "cannot be written" in done.stderr


def test_env_writes_a_file_that_compose_secrets_takes(servicecert, tmp_path):
    out = tmp_path / ".env"
    done = servicecert("compose", "env", "--out", str(out))
    assert done.exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=", 1) for line in out.read_text().splitlines())
    assert tuple(values) == compose_secrets.VARIABLES
    assert compose_secrets.write(tmp_path / "secrets", values).given == len(values)
    again = servicecert("compose", "env", "--out", str(out))
    assert again.exit_code == 73
    assert "is not overwritten" in again.stderr
