import pytest
from certificates import addresses
from commandline import one_sentence, read_json
from cryptography import x509
from servicecert_pki.identity import Repository, identity_in


def test_a_dry_run_makes_nothing(servicecert, tmp_path):
    shown = servicecert("ca", "init", tmp_path / "ca", "--dry-run")
    assert "4 roots in" in shown.stdout
    assert "4 issuing CAs in" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_I11_a_made_authority_is_shown_with_its_four_issuing_cas(servicecert, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICECERT_CA_DIR", str(tmp_path / "ca"))
    issuing = read_json(made := servicecert("ca", "init", "--json", "--crl-base-url", "http://crl.example.fi"))[
        "issuing"
    ]
    assert (made.exit_code, made.stderr) == (0, "")
    passphrases = tmp_path / "ca.passphrases"
    assert passphrases.stat().st_mode & 0o777 == 0o600
    assert [line.partition("=")[0] for line in passphrases.read_text().splitlines()] == ["production", "test"]
    shown = read_json(servicecert("ca", "show", "--json"))["issuing"]
    assert shown == issuing
    assert [each["id"] for each in shown] == ["production-rsa", "production-ec", "test-rsa", "test-ec"]
    certificate = x509.load_pem_x509_certificate((tmp_path / "ca" / "issuing" / "test-ec.pem").read_bytes())
    assert shown[3]["serial"] == f"{certificate.serial_number:x}"
    assert addresses(certificate) == (
        "http://crl.example.fi/test-root-ec.crl",
        "http://crl.example.fi/test-root-ec.cer",
    )
    assert "production-ec" in servicecert("ca", "show").stdout


def test_the_file_of_a_trials_authority_has_its_addresses(servicecert, tmp_path):
    wrong = servicecert("ca", "init", tmp_path / "ca", "--ocsp-url", "https://ocsp.example.fi")
    assert (wrong.exit_code, list(tmp_path.iterdir())) == (2, [])
    servicecert("ca", "init", tmp_path / "ca", "--ocsp-url", "http://ocsp.example.fi")
    whose = identity_in(tmp_path / "ca")
    assert whose == identity_in(tmp_path / "ca.offline")
    assert whose.repository == Repository(crls="http://127.0.0.1:8080", ocsp="http://ocsp.example.fi")


def test_an_authority_is_never_overwritten(servicecert, authority):
    done = servicecert("ca", "init", authority, "--dry-run")
    assert done.exit_code == 73
    assert str(authority) in one_sentence(done.stderr)


def test_an_authority_that_was_never_made_is_told(servicecert, tmp_path):
    done = servicecert("ca", "show", tmp_path)
    assert done.exit_code == 78
    assert "servicecert ca init" in one_sentence(done.stderr)


def test_a_damaged_authority_is_told(servicecert, tmp_path):
    (tmp_path / "authority.json").write_text("{}")
    done = servicecert("ca", "show", tmp_path)
    assert done.exit_code == 65
    assert str(tmp_path) in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("content", "code"), [("production=only\n", 78), ("production=same\ntest=same\n", 65)], ids=["one", "twice"]
)
def test_unfit_passphrases_are_told_and_not_shown(servicecert, tmp_path, content, code):
    file = tmp_path / "passphrases"
    file.touch(mode=0o600)
    file.write_text(content)
    done = servicecert("ca", "init", tmp_path / "ca", "--passphrase-file", file)
    assert done.exit_code == code
    assert "same" not in one_sentence(done.stderr)


def test_a_folder_that_cannot_be_written_is_told(servicecert, tmp_path):
    (tmp_path / "file").touch()
    done = servicecert("ca", "init", tmp_path / "file" / "ca", "--passphrase-file", tmp_path / "passphrases")
    assert done.exit_code == 65
    assert str(tmp_path / "file") in one_sentence(done.stderr)


def test_passphrases_that_cannot_be_written_are_told(servicecert, tmp_path):
    done = servicecert("ca", "init", tmp_path / "ca", "--passphrase-file", tmp_path / "no" / "folder")
    assert done.exit_code == 73
    assert "cannot be written" in one_sentence(done.stderr)


def test_a_directory_must_be_named(servicecert):
    assert servicecert("ca", "show").exit_code == 2
