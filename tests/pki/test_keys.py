import pickle
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from servicecert_pki.keys import KeyUnavailable, SigningKey, verify_signature
from servicecert_pki.software_key import SoftwareKey, encrypted_pem, open_key
from servicecert_pki.spki import KeyFamily


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.touch(mode=0o600)
    path.write_bytes(encrypted_pem(ec.generate_private_key(ec.SECP384R1()), b"right"))
    return path


def test_B5_an_encrypted_key_opens_with_its_passphrase(pem: Path) -> None:
    key = open_key(pem, b"right")
    verify_signature(key.public_key(), key.sign(b"a", b"bc"), b"abc")
    with pytest.raises(InvalidSignature):
        verify_signature(key.public_key(), key.sign(b"a"), b"b")


@pytest.mark.parametrize("family", KeyFamily)
def test_a_signature_is_the_same_in_parts_and_verifies_whole(
    ca_keys: Mapping[str, SigningKey], family: KeyFamily
) -> None:
    key = ca_keys[f"production-{family}"]
    assert key.family is family
    verify_signature(key.public_key(), key.sign(b"to ", b"be ", b"signed"), b"to be signed")


@pytest.mark.parametrize("wrong", [b"wrong", b"", b"\xff\0"])
def test_B5_a_wrong_passphrase_is_one_sentence_that_tells_nothing_of_it(pem: Path, wrong: bytes) -> None:
    with pytest.raises(KeyUnavailable, match="passphrase does not open the key file") as unavailable:
        open_key(pem, wrong)
    assert str(pem) in str(unavailable.value)
    assert repr(wrong) not in str(unavailable.value)
    assert unavailable.value.__suppress_context__


def test_a_missing_key_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match=r"cannot be read \(No such file or directory\)"):
        open_key(tmp_path / "ca.pem", b"right")


def test_B5_a_key_in_the_clear_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    key = ec.generate_private_key(ec.SECP384R1())
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyUnavailable, match="not an encrypted"):
        open_key(path, b"right")


def test_a_key_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    key = ed25519.Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right")))
    with pytest.raises(KeyUnavailable, match="neither an RSA nor an EC key"):
        open_key(path, b"right")


def test_I10_a_key_shows_nothing_of_itself_and_does_not_travel() -> None:
    key = SoftwareKey(ec.generate_private_key(ec.SECP384R1()))
    assert "EllipticCurve" not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_one_key_signs_in_several_threads(ca_keys: Mapping[str, SigningKey]) -> None:
    key = ca_keys["test-rsa"]
    signatures = set[bytes]()
    threads = [threading.Thread(target=lambda: signatures.add(key.sign(b"the same"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (signature,) = signatures
    verify_signature(key.public_key(), signature, b"the same")
