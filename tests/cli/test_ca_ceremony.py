"""The ceremony as operators run it: roots apart, requests and certificates carried between, a second generation."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import addresses
from commandline import one_sentence, read_json
from cryptography import x509
from cryptography.x509.oid import NameOID
from servicecert_pki.authority import Authority
from servicecert_pki.ceremony import offline_folder
from servicecert_pki.profile import Environment
from servicecert_pki.spki import KeyFamily


@pytest.fixture
def ca(authority, tmp_path):
    """A CA with its roots and its passphrases beside it."""
    shutil.copytree(offline_folder(authority), tmp_path / "ca.offline")
    shutil.copy(authority.with_name("ca.passphrases"), tmp_path / "ca.passphrases")
    shutil.copy(authority.with_name("ca.passphrases"), tmp_path / "ca.offline.passphrases")
    shutil.copytree(authority, tmp_path / "ca")
    return tmp_path / "ca"


AUTHORITY = """
organisation = "Exempelmyndigheten"
[repository]
crls = "http://crl.myndigheten.fi"
[policies]
server = "1.2.246.999.1"
test-server = "1.2.246.999.2"
system-signature = "1.2.246.999.3"
test-system-signature = "1.2.246.999.4"
"""


def name_authority(folder, text=AUTHORITY):
    folder.mkdir(exist_ok=True)
    (folder / "authority.toml").write_text(text)


def second_generation(servicecert, ca):
    """Requests, certifies and installs production-ec-2."""
    servicecert("ca", "request", ca, "production-ec", "--operator", "Wilma Vahti")
    request = ca / "requests" / "production-ec-2.csr"
    servicecert("ca", "root", "sign", ca.with_name("ca.offline"), request)
    return servicecert("ca", "install", ca, ca.with_name("ca.offline") / "issued" / "production-ec-2.pem")


def test_B5_the_roots_keys_are_never_beside_the_services(ca):
    assert sorted(path.stem for path in (ca / "keys").iterdir()) == [
        "production-ec",
        "production-rsa",
        "test-ec",
        "test-rsa",
    ]
    assert all("root" in path.stem for path in (ca.with_name("ca.offline") / "keys").iterdir())


def test_B5_a_second_generation_takes_over_at_its_date_and_the_first_stays(servicecert, ca):
    installed = second_generation(servicecert, ca)
    assert installed.exit_code == 0, installed.stderr
    assert "issues nothing yet" in installed.stdout
    noon = (datetime.now(UTC) + timedelta(days=30)).replace(hour=12, minute=0, second=0, microsecond=0)
    activate = ("ca", "activate", ca, "production-ec-2", "--from", noon.isoformat())
    assert servicecert(*activate, "--dry-run").stdout.startswith("Would let production-ec-2 issue from ")
    assert Authority.load(ca).active_from["production-ec-2"] is None
    done = servicecert(*activate)
    assert done.exit_code == 0, done.stderr
    authority = Authority.load(ca)

    def issues_at(moment):
        return authority.issuer_for(Environment.PRODUCTION, KeyFamily.EC, moment).id

    assert issues_at(noon - timedelta(seconds=1)) == "production-ec"
    assert issues_at(noon) == "production-ec-2"
    assert not any(authority.is_replaced(id, noon - timedelta(seconds=1)) for id in authority.issuers)
    assert [id for id in authority.issuers if authority.is_replaced(id, noon)] == ["production-ec"]
    assert {"production-ec", "production-ec-2"} <= set(authority.issuers)
    shown = read_json(servicecert("ca", "show", ca, "--json"))["issuing"][-1]
    assert datetime.fromisoformat(shown["active_from"]) == noon
    assert "the encrypted file keys/production-ec-2.pem" in servicecert("ca", "show", ca, "--json").stdout


def test_B5_a_renamed_authority_s_next_generation_has_its_name_and_the_same_root(servicecert, ca):
    for folder in (ca, ca.with_name("ca.offline")):
        name_authority(folder, AUTHORITY.replace("Exempelmyndigheten", "Nya myndigheten"))
    done = second_generation(servicecert, ca)
    assert done.exit_code == 0, done.stderr
    issuer = Authority.load(ca).issuers["production-ec-2"]
    certificate, root = map(x509.load_der_x509_certificate, (issuer.certificate_der, issuer.root_der))
    names = [it.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value for it in (certificate, root)]
    assert names == ["Nya myndigheten", "Fictitious Certificate Authority"]


def test_B5_the_protocol_says_who_when_and_the_fingerprints(servicecert, ca):
    output = servicecert("ca", "request", ca, "test-ec", "--operator", "Wilma Vahti").stdout
    (kept,) = (ca / "protocols").glob("*-request.txt")
    assert kept.read_text().strip() in output
    assert "Operator:    Wilma Vahti" in output
    signed = servicecert("ca", "root", "sign", ca.with_name("ca.offline"), ca / "requests" / "test-ec-2.csr").stdout

    def public_key(text):
        return next(line for line in text.splitlines() if "public key SHA-256" in line)

    assert public_key(output) == public_key(signed)
    for fact in ("EC P-384", "serial:", "valid:", "certificate SHA-256:", "Generation 2"):
        assert fact in signed


@pytest.mark.parametrize(
    "arguments",
    [
        ("root", "init", "new-roots"),
        ("root", "crl", "ca.offline", "--revoke", "test-ec", "superseded"),
        ("request", "ca", "test-rsa"),
        ("root", "sign", "ca.offline", "ca/requests/test-ec-2.csr"),
        ("install", "ca", "ca.offline/issued/production-ec-2.pem"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_B5_a_dry_run_changes_nothing(servicecert, ca, monkeypatch, arguments):
    monkeypatch.chdir(ca.parent)
    name_authority(ca.with_name("new-roots"))
    assert servicecert("ca", "request", "ca", "test-ec", "production-ec").exit_code == 0
    assert servicecert("ca", "root", "sign", "ca.offline", "ca/requests/production-ec-2.csr").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in ca.parent.rglob("*")}
    done = servicecert("ca", *arguments, "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Would ")
    assert {path: path.stat().st_mtime_ns for path in ca.parent.rglob("*")} == before


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("root", "init", "ca.offline"),
            "no CA with invented names (organisation, ",
        ),
        (("request", "new"), "write yours in new/authority.toml, as"),
        (("root", "sign", "ca.offline", "ca/requests/test-ec.csr"), "test-ec is certified already"),
        (("root", "sign", "ca", "ca/requests/test-ec.csr"), None),
        (("root", "sign", "ca.offline", "ca/requests/test-ec.json"), "is not a readable PKCS#10 request"),
        (("root", "sign", "ca.offline", "ca/authority.json"), "is not named after an issuing CA"),
        (("root", "crl", "ca.offline", "--revoke", "test-ec-9", "superseded"), "certified test-ec-9"),
        (("install", "ca", "ca.offline/issued/test-ec.pem"), "test-ec is installed in ca already"),
        (("activate", "ca", "test-ec", "--from", "2030-01-01"), "that cannot be taken back"),
        (("activate", "ca", "test-ec-2", "--from", "2030-01-01"), "no issuing CA test-ec-2"),
        (("request", "ca", "--keys", "pkcs11"), "SERVICECERT_PKCS11_MODULE"),
    ],
    ids=str,
)
def test_unsafe_steps_are_refused_in_one_sentence_and_nothing_is_overwritten(
    servicecert, ca, monkeypatch, arguments, sentence, options
):
    monkeypatch.chdir(ca.parent)
    before = {path: path.read_bytes() for path in ca.parent.rglob("*") if path.is_file()}
    done = servicecert("ca", *arguments, *options)
    assert done.exit_code != 0
    assert (sentence or "cannot be read") in one_sentence(done.stderr)
    assert {path: path.read_bytes() for path in ca.parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_further_key_is_made_with_the_passphrases_that_open_the_others_or_not_at_all(servicecert, ca, options):
    """A service opens all keys with one file: with another one's key it would not start."""
    before = {path: path.read_bytes() for path in ca.rglob("*") if path.is_file()}
    other = ca.with_name("other.passphrases")
    command = ("ca", "request", ca, "test-ec", "--passphrase-file", other, *options)
    done = servicecert(*command)
    assert done.exit_code != 0
    assert "name the passphrase file of the keys in" in one_sentence(done.stderr)
    assert not other.exists()
    other.write_text(f"production={'Pw1!' * 8}\ntest={'Pw2!' * 8}\n")
    other.chmod(0o600)
    done = servicecert(*command)
    assert done.exit_code != 0
    assert "does not open" in one_sentence(done.stderr)
    assert {path: path.read_bytes() for path in ca.rglob("*") if path.is_file()} == before


def test_a_request_that_waits_is_not_made_twice(servicecert, ca):
    servicecert("ca", "request", ca, "test-ec")
    assert "waits for its certificate" in one_sentence(servicecert("ca", "request", ca, "test-ec").stderr)


def test_a_certificate_of_another_request_is_refused(servicecert, ca):
    for kind in ("test-ec", "production-ec"):
        servicecert("ca", "request", ca, kind)
    offline = ca.with_name("ca.offline")
    servicecert("ca", "root", "sign", offline, ca / "requests" / "test-ec-2.csr")
    (offline / "issued" / "test-ec-2.pem").rename(offline / "issued" / "production-ec-2.pem")
    done = servicecert("ca", "install", ca, offline / "issued" / "production-ec-2.pem")
    assert "is not the certificate that" in one_sentence(done.stderr)
    request = ca / "requests" / "test-ec-2.csr"
    disguised = shutil.copy(request, ca / "requests" / "production-ec-3.csr")
    done = servicecert("ca", "root", "sign", offline, disguised)
    assert "is not a request of production-ec-3" in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("since", "sentence"), [("2020-01-01", "has passed"), ("2099-01-01", "name a time within")], ids=["past", "late"]
)
def test_a_date_that_cannot_be_is_refused(servicecert, ca, since, sentence):
    second_generation(servicecert, ca)
    assert sentence in one_sentence(servicecert("ca", "activate", ca, "production-ec-2", "--from", since).stderr)


@pytest.mark.parametrize("since", ["soon", "2030-01-32"])
def test_a_date_that_is_none_is_wrong_usage(servicecert, ca, since):
    assert servicecert("ca", "activate", ca, "test-ec", "--from", since).exit_code == 2


def test_D7_a_roots_crls_grow_and_repeat_what_they_list(servicecert, ca):
    offline = ca.with_name("ca.offline")
    revoked = servicecert("ca", "root", "crl", offline, "--revoke", "test-ec", "ca-compromise", "--days", "30")
    assert revoked.exit_code == 0, revoked.stderr
    assert "root CRL: test-root-ec" in revoked.stdout
    servicecert("ca", "root", "crl", offline)
    crl = x509.load_der_x509_crl((offline / "crls" / "test-root-ec.crl").read_bytes())
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    (entry,) = crl
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.ca_compromise
    again = servicecert("ca", "root", "crl", offline, "--revoke", "test-ec", "superseded")
    assert "revoked it stays" in one_sentence(again.stderr)


def test_D7_an_issuing_ca_says_where_its_roots_crl_is_or_is_not_certified(servicecert, ca):
    offline = ca.with_name("ca.offline")
    servicecert("ca", "request", ca, "test-ec")
    request = ca / "requests" / "test-ec-2.csr"
    tried = servicecert("ca", "root", "sign", offline, request, "--dry-run")
    assert (tried.exit_code, tried.stderr) == (0, "")
    done = servicecert("ca", "root", "sign", offline, request)
    assert (done.exit_code, done.stderr) == (0, "")
    again = servicecert("ca", "root", "sign", offline, request, "--dry-run")
    assert "is certified already" in one_sentence(again.stderr)
    certificate = x509.load_pem_x509_certificate((offline / "issued" / "test-ec-2.pem").read_bytes())
    assert addresses(certificate) == (
        "http://crl.example.fi/test-root-ec.crl",
        "http://crl.example.fi/test-root-ec.cer",
    )
    (offline / "authority.toml").unlink()
    servicecert("ca", "request", ca, "test-rsa")
    done = servicecert("ca", "root", "sign", offline, ca / "requests" / "test-rsa-2.csr", "--dry-run")
    assert done.exit_code == 78
    assert "ca.offline/authority.toml has no [repository]: add it" in one_sentence(done.stderr)


def test_an_authority_s_own_names_and_policies_are_in_its_cas(servicecert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("roots", "ca"):
        name_authority(tmp_path / folder)
    requests = [f"ca/requests/{id}.csr" for id in ("production-rsa", "production-ec", "test-rsa", "test-ec")]
    issued = [f"roots/issued/{Path(request).stem}.pem" for request in requests]
    certified = ("root", "sign", "roots", *requests), ("install", "ca", *issued)
    steps = (("root", "init", "roots"), ("request", "ca"), *certified)
    for step in steps:
        done = servicecert("ca", *step)
        assert done.exit_code == 0, done.stderr
    assert "There are roots in roots already" in one_sentence(servicecert("ca", *steps[0]).stderr)
    for issuer in Authority.load(tmp_path / "ca").issuers.values():
        certificate = x509.load_der_x509_certificate(issuer.certificate_der)
        for name in (certificate.subject, certificate.issuer):
            assert [it.value for it in name][:2] == ["FI", "Exempelmyndigheten"]
        numbers = {1, 3} if issuer.environment is Environment.PRODUCTION else {2, 4}
        assert issuer.policies == {f"1.2.246.999.{number}" for number in numbers}


def test_a_request_of_another_authority_is_not_certified(servicecert, ca, tmp_path):
    name_authority(tmp_path / "other")
    servicecert("ca", "request", tmp_path / "other")
    request = tmp_path / "other" / "requests" / "test-ec.csr"
    done = servicecert("ca", "root", "sign", ca.with_name("ca.offline"), request)
    assert done.exit_code != 0
    assert "ca.offline/authority.toml names it" in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("organisation = ", "authority.toml cannot be used"),
        (AUTHORITY.replace("1.2.246.999.3", "9.9"), "policies.system-signature"),
        (AUTHORITY.replace("1.2.246.999.3", "2.999.3"), "begins with 2"),
        (
            AUTHORITY.replace('test-server = "1.2.246.999.2"', ""),
            "authority.toml needs a policy for each certificate type",
        ),
        (AUTHORITY.replace("1.2.246.999.3", "1.2.246.999.1"), "share 1.2.246.999.1"),
        (AUTHORITY.replace("Exempelmyndigheten", " "), "organisation"),
        ('country = "fi"\n' + AUTHORITY, "country"),
        ('cps = "x"\n' + AUTHORITY, "cps"),
    ],
)
def test_what_is_wrong_with_an_authority_s_file_is_said_before_anything_is_made(servicecert, tmp_path, text, sentence):
    name_authority(tmp_path / "roots", text)
    done = servicecert("ca", "root", "init", tmp_path / "roots", "--dry-run")
    assert done.exit_code == 78
    assert sentence in one_sentence(done.stderr)
    assert [path.name for path in (tmp_path / "roots").iterdir()] == ["authority.toml"]


def test_a_missing_file_of_passphrases_is_input_that_cannot_be_read(servicecert, ca):
    absent = ca.with_name("absent")
    done = servicecert("ca", "root", "crl", ca.with_name("ca.offline"), "--passphrase-file", absent)
    assert done.exit_code == 66
    assert one_sentence(done.stderr).endswith(
        f"The passphrase file {absent} cannot be read (No such file or directory)."
    )


def test_a_dry_run_tries_the_passphrases(servicecert, tmp_path):
    name_authority(tmp_path / "roots")
    file = tmp_path / "roots.passphrases"
    file.write_text("production=short\ntest=also short\n")
    file.chmod(0o600)
    done = servicecert("ca", "root", "init", tmp_path / "roots", "--dry-run")
    assert done.exit_code != 0
    assert "passphrase" in one_sentence(done.stderr)
