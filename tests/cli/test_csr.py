"""`servicecert csr check`: the findings that an applicant would get, before applying."""

import json

import pytest
from commandline import one_sentence
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from servicecert_pki.key_lists import key_digest

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


def test_an_acceptable_request_as_json(servicecert, good):
    report = json.loads(servicecert("csr", "check", good, "--json").stdout)
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
    assert result.exit_code == 2
    assert "cannot be read" in one_sentence(result.stderr)


def test_a_folder_without_lists_is_told_in_a_sentence(servicecert, good, tmp_path):
    result = servicecert("csr", "check", good, "--lists", tmp_path / "none")
    assert result.exit_code == 78
    assert "cannot be read" in one_sentence(result.stderr)
