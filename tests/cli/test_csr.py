"""`servicecert csr check`: the findings that an applicant would get, before applying."""

import json
from dataclasses import replace

import pytest
from commandline import one_sentence, read_json
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from journeys.judged.table import request
from servicecert_cli.commands import csr
from servicecert_pki.key_checks import key_digest
from servicecert_pki.profiles import Profiles, load_profiles
from servicecert_pki.spki import KeyFamily

from pki import weak_keys

KEY = ec.derive_private_key(9, ec.SECP384R1())


@pytest.fixture
def good(tmp_path):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(KEY, hashes.SHA384())
    path = tmp_path / "good.csr"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def weak(tmp_path):
    path = tmp_path / "weak.csr"
    path.write_bytes(weak_keys.request(weak_keys.roca(1024), exponent=3))
    return path


def test_A4_an_acceptable_request_is_told_with_its_key(servicecert, good):
    result = servicecert("csr", "check", good)
    assert result.exit_code == 0
    assert result.stdout.startswith("Acceptable: EC P-384, SHA-256 of the key ")
    assert "leaked keys were not checked" in result.stderr


def test_A4_a_request_is_refused_with_all_its_reasons(servicecert, weak):
    result = servicecert("csr", "check", weak, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["acceptable"], report["lists"]) == (False, {})
    assert [fault["code"] for fault in report["faults"]] == ["key-size", "key-exponent", "key-roca"]


@pytest.mark.parametrize(("request_file", "code"), [("rsa-shifted", "key-small-factor"), ("rsa-prime", "key-prime")])
def test_A4_a_key_of_strange_numbers_is_refused_without_a_traceback(servicecert, tmp_path, request_file, code):
    (tmp_path / "rsa.csr").write_text(request(f"{request_file}.pem"))
    result = servicecert("csr", "check", tmp_path / "rsa.csr")
    assert (result.exit_code, result.stdout.partition(":")[0]) == (1, "Refused")
    assert f"  {code}: " in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("language", "text"), [("sv", "Nyckeln är skapad"), ("fi", "Avain on luotu"), ("en", "The key was made")]
)
def test_A4_the_reasons_are_told_in_the_applicant_s_language(servicecert, weak, language, text):
    result = servicecert("csr", "check", weak, "--language", language)
    assert f"  key-roca: {text}" in result.stdout


def test_A4_a_listed_key_is_refused_and_the_lists_are_shown(servicecert, good, tmp_path):
    (tmp_path / "ours.dat").write_bytes(key_digest(KEY.public_key()) + b"\0")
    result = servicecert("csr", "check", good, "--lists", tmp_path, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["lists"] == {"ours.dat": 1}
    assert [fault["code"] for fault in report["faults"]] == ["key-compromised"]
    assert result.stderr == ""


def test_A4_a_key_is_judged_by_the_limits_of_the_certificate_type(servicecert, monkeypatch, tmp_path):
    shipped = load_profiles()
    rsa_rules = replace(shipped["server"].keys[KeyFamily.RSA], sizes=(3072, 4096))
    narrower = replace(shipped["server"], keys={**shipped["server"].keys, KeyFamily.RSA: rsa_rules})
    monkeypatch.setattr(csr, "load_profiles", lambda: Profiles({**shipped.by_type, "server": narrower}))
    (tmp_path / "rsa.csr").write_text(request("rsa-2048.pem"))
    refused = servicecert("csr", "check", tmp_path / "rsa.csr")
    assert refused.exit_code == 1
    assert refused.stdout.startswith("Refused:\n  key-size: ")
    assert "3072 or 4096 bits" in refused.stdout
    assert servicecert("csr", "check", tmp_path / "rsa.csr", "--type", "test-server").exit_code == 0


def test_an_acceptable_request_as_json(servicecert, good):
    report = read_json(servicecert("csr", "check", good, "--json"))
    assert (report["acceptable"], report["key"], report["faults"]) == (True, "EC P-384", [])


def test_I10_a_private_key_is_told_and_not_shown(servicecert, tmp_path):
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    result = servicecert("csr", "check", tmp_path / "key.pem")
    assert result.exit_code == 1
    assert "csr-is-private-key" in result.stdout
    assert pem.splitlines()[1][:20].decode() not in result.stdout + result.stderr


def test_a_file_that_cannot_be_read_is_told_in_a_sentence(servicecert, tmp_path):
    result = servicecert("csr", "check", tmp_path / "none.csr")
    assert result.exit_code == 66
    assert "cannot be read" in one_sentence(result.stderr)


def test_a_folder_without_lists_is_told_in_a_sentence(servicecert, good, tmp_path):
    result = servicecert("csr", "check", good, "--lists", tmp_path / "none")
    assert result.exit_code == 78
    assert "cannot be read" in one_sentence(result.stderr)
