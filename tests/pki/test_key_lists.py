"""A4: lists of compromised keys, in badkeys' format. A file that is not such a list is an error for the operator."""

import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from servicecert_pki.key_checks import KeyChecks, KeyListDamaged, key_digest, load_key_lists

from pki import weak_keys

RSA_KEY = rsa.RSAPublicNumbers(65537, weak_keys.strong()).public_key()
EC_KEY = ec.derive_private_key(77, ec.SECP384R1()).public_key()
OTHERS = [sha256(bytes([number])).digest()[:15] for number in range(100)]
NAMES = {"bkformat": 0, "blocklists": [{"id": 1, "name": "debianssl"}, {"id": 2, "name": "keypair"}]}


def records(*entries: bytes, others=OTHERS) -> bytes:
    return b"".join(sorted([*entries, *(digest + b"\x02" for digest in others)]))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "badkeysdata.json").write_text(json.dumps(NAMES))
    return tmp_path


def codes(folder, key) -> tuple[str, ...]:
    return tuple(fault.code for fault in KeyChecks(load_key_lists(folder))(key))


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY])
@pytest.mark.parametrize(("number", "code"), [(1, "key-debian-weak"), (2, "key-leaked"), (77, "key-leaked")])
def test_A4_a_listed_key_is_refused_for_what_its_list_means(folder, key, number, code):
    (folder / "blocklist.dat").write_bytes(records(key_digest(key) + bytes((number,))))
    assert codes(folder, key) == (code,)


def test_A4_a_key_that_is_not_listed_is_none_of_them(folder):
    (folder / "blocklist.dat").write_bytes(records())
    assert codes(folder, RSA_KEY) == ()


def test_A4_an_operator_s_own_list_counts_too_and_each_reason_once(folder):
    for name in ("ours.dat", "theirs.dat"):
        (folder / name).write_bytes(records(key_digest(RSA_KEY) + b"\x01", others=[]))
    (folder / "blocklist.dat").write_bytes(records(key_digest(RSA_KEY) + b"\x01"))
    assert codes(folder, RSA_KEY) == ("key-debian-weak", "key-compromised")
    assert load_key_lists(folder).sizes() == {"blocklist.dat": 101, "ours.dat": 1, "theirs.dat": 1}


def test_the_first_and_the_last_record_are_found(folder):
    first, last = bytes(15), b"\xff" * 15
    (folder / "ours.dat").write_bytes(records(first + b"\0", last + b"\0"))
    (ours,) = load_key_lists(folder).lists
    assert ours.find(first) is not None
    assert ours.find(last) is not None
    assert ours.find(bytes(14) + b"\1") is None


def test_the_digest_is_badkeys_own():
    modulus = RSA_KEY.public_numbers().n
    assert key_digest(RSA_KEY) == sha256(modulus.to_bytes(256, "big")).digest()[:15]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no key list"),
        ({"blocklist.dat": records(), "badkeysdata.json": b""}, "badkeysdata.json is missing or damaged"),
        ({"blocklist.dat": records(), "badkeysdata.json": b"[]"}, "badkeysdata.json is missing or damaged"),
        ({"ours.dat": records() + b"x"}, "sorted records"),
        ({"ours.dat": records()[16:] + records()[:16]}, "sorted records"),
    ],
)
def test_a_file_that_is_no_list_is_an_error_in_one_sentence(folder, files, message):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises(KeyListDamaged, match=message):
        load_key_lists(folder)


def test_an_empty_list_lists_nothing(folder):
    (folder / "ours.dat").write_bytes(b"")
    assert load_key_lists(folder).sizes() == {"ours.dat": 0}


def test_a_folder_or_file_that_cannot_be_read_is_an_error_in_one_sentence(folder):
    with pytest.raises(KeyListDamaged, match="cannot be read"):
        load_key_lists(folder / "none")
    (folder / "ours.dat").mkdir()
    with pytest.raises(KeyListDamaged, match="cannot be read"):
        load_key_lists(folder)
