"""I10: a private key that an applicant sends is detected in any form, and not stored."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki.private_keys import PLACEHOLDER, holds_private_key, without_private_keys

Run = Callable[..., CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def pem(openssl: Run) -> str:
    return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384").stdout.decode()


@pytest.mark.parametrize(
    "text",
    [
        "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
        '{"kty": "RSA", "n": "AQAB", "d": "AQAB"}',
        "\\nU\\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_I10_other_programs_keys_are_recognised(text: str) -> None:
    assert holds_private_key(text)


@pytest.mark.parametrize(
    "text",
    ["", "Our private key stays here.", "BEGIN PUBLIC KEY", '{"kty": "RSA", "n": "AQAB"}', b"\x30\x03\x02\x01\x05"],
)
def test_what_is_none_is_not_taken_for_one(text: str | bytes) -> None:
    assert not holds_private_key(text)


def test_I10_pkcs12_is_recognised(openssl: Run, pem: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(pem)
    certificate = openssl("req", "-x509", "-key", key, "-subj", "/CN=x").stdout
    p12 = openssl("pkcs12", "-export", "-inkey", key, "-passout", "pass:x", given=certificate + pem.encode()).stdout
    assert holds_private_key(p12)
    assert not holds_private_key(certificate)


def test_I10_a_document_keeps_all_but_the_key(pem: str) -> None:
    document = {"case_id": "1", "csr": pem, "note": "Ö " * 30, "list": ["short", 1, None]}
    for written in (json.dumps(document), json.dumps(document, ensure_ascii=False), json.dumps(document, indent=1)):
        kept = json.loads(without_private_keys(written.encode()))
        assert kept == {**document, "csr": PLACEHOLDER}
        assert holds_private_key(kept["csr"])


def test_I10_nothing_of_a_key_is_left_where_the_document_is_damaged(pem: str) -> None:
    written = json.dumps({"case_id": "1", "csr": pem}).encode()
    body = pem.splitlines()[1][4:28].encode()
    for damaged in (
        *(written[:end] for end in (-1, -2, -3, -30, -31, -100, 120)),
        written.replace(b'"csr"', b'"csr'),
        written.replace(b'"', b"'"),
        written.decode().encode("utf-16"),
        b"\xff" + written,
        written.replace(b"\\n", b"\\x"),
        pem.encode(),
    ):
        assert body not in without_private_keys(damaged)


def test_a_document_without_a_key_stays_as_it_is() -> None:
    written = json.dumps({"csr": "MIIB" * 40, "text": 'a "quoted" one'}).encode()
    assert without_private_keys(written) == written


@given(st.binary(max_size=300))
def test_no_document_raises(value: bytes) -> None:
    without_private_keys(value)
