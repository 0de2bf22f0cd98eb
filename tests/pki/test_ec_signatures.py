"""AWS-LC and OpenSSL agree on what an ECDSA signature is; where they do not, OpenSSL's word counts."""

from hashlib import sha384

import pytest
from awscrt.crypto import EC
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from servicecert_pki import keys
from servicecert_pki.keys import is_signed, verify_digest

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
CONTENT = b"what is signed"
DIGEST = sha384(CONTENT).digest()
KEY = ec.derive_private_key(2026, ec.SECP384R1())
SIGNATURE = KEY.sign(CONTENT, ec.ECDSA(hashes.SHA384()))
R, S = decode_dss_signature(SIGNATURE)


def integer(value: int, padding: bytes = b"") -> bytes:
    content = padding + value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes([2, len(content)]) + content


def sequence(content: bytes) -> bytes:
    return bytes([0x30, len(content)]) + content


def openssl_accepts(public: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes = DIGEST) -> bool:
    try:
        public.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA384())))
    except InvalidSignature:
        return False
    return True


def aws_lc_accepts(public: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes = DIGEST) -> bool:
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return bool(EC.new_key_from_der_data(spki).verify(digest, signature))


FORMS = {
    "as signed": (SIGNATURE, True),
    "the other s": (encode_dss_signature(R, ORDER - S), True),
    "r is zero": (sequence(integer(0) + integer(S)), False),
    "s is zero": (sequence(integer(R) + integer(0)), False),
    "r plus the order": (sequence(integer(R + ORDER) + integer(S)), False),
    "s plus the order": (sequence(integer(R) + integer(S + ORDER)), False),
    "r and s are the order": (sequence(integer(ORDER) * 2), False),
    "r and s swapped": (encode_dss_signature(S, R), False),
    "a padded r": (sequence(integer(R, b"\0") + integer(S)), False),
    "a padded s": (sequence(integer(R) + integer(S, b"\0")), False),
    "a negative r": (sequence(integer(R)[:2] + b"\xff" + integer(R)[3:] + integer(S)), False),
    "a long length": (b"\x30\x81" + SIGNATURE[1:], False),
    "an indefinite length": (b"\x30\x80" + SIGNATURE[2:] + b"\0\0", False),
    "something after it": (SIGNATURE + b"\0", False),
    "something inside": (sequence(SIGNATURE[2:] + b"\x05\0"), False),
    "only r": (sequence(integer(R)), False),
    "cut": (SIGNATURE[:-1], False),
    "r || s": (R.to_bytes(48, "big") + S.to_bytes(48, "big"), False),
    "empty": (b"", False),
    "an empty sequence": (b"\x30\0", False),
}


@pytest.mark.parametrize("name", FORMS)
def test_both_say_the_same_of_each_form(name):
    signature, is_good = FORMS[name]
    assert aws_lc_accepts(KEY.public_key(), signature) is is_good
    assert openssl_accepts(KEY.public_key(), signature) is is_good
    assert is_signed(KEY.public_key(), signature, hashes.SHA384(), CONTENT) is is_good


@given(bit=st.integers(0, 8 * len(SIGNATURE) - 1))
def test_no_bit_can_be_changed(bit):
    changed = bytearray(SIGNATURE)
    changed[bit // 8] ^= 1 << bit % 8
    assert not is_signed(KEY.public_key(), bytes(changed), hashes.SHA384(), CONTENT)


@given(
    number=st.integers(1, ORDER - 1), content=st.binary(max_size=200), other=st.integers(1, 2**128) | st.just(ORDER - 1)
)
def test_both_accept_what_either_key_signs(number, content, other):
    key, digest = ec.derive_private_key(number, ec.SECP384R1()), sha384(content).digest()
    signature = key.sign(content, ec.ECDSA(hashes.SHA384()))
    for public in (key.public_key(), ec.derive_private_key(other, ec.SECP384R1()).public_key()):
        assert aws_lc_accepts(public, signature, digest) == openssl_accepts(public, signature, digest)


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda it: it.name)
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda it: it.name)
def test_other_hashes_and_curves(curve, algorithm):
    key = ec.generate_private_key(curve)
    signature = key.sign(CONTENT, ec.ECDSA(algorithm))
    assert is_signed(key.public_key(), signature, algorithm, CONTENT)
    assert not is_signed(key.public_key(), signature, algorithm, CONTENT + b".")


def test_where_aws_lc_refuses_openssl_decides(monkeypatch, caplog):
    monkeypatch.setattr(keys, "_accepts", lambda *_: False)
    verify_digest(KEY.public_key(), SIGNATURE, hashes.SHA384(), DIGEST)
    assert "alarm: AWS-LC refuses a signature that OpenSSL accepts" in caplog.text
    with pytest.raises(InvalidSignature):
        verify_digest(KEY.public_key(), SIGNATURE[:-1], hashes.SHA384(), DIGEST)


def test_other_curves_do_not_alarm(caplog):
    key = ec.generate_private_key(ec.SECP256R1())
    assert is_signed(key.public_key(), key.sign(CONTENT, ec.ECDSA(hashes.SHA256())), hashes.SHA256(), CONTENT)
    assert not caplog.records
