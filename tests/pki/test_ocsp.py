"""OCSP requests and responses, checked by other libraries and linters (D8, RFC 6960, RFC 9654)."""

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import Any

import pytest
from asn1crypto import ocsp as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import example, given
from hypothesis import strategies as st
from pkilint import loader, pkix
from pkilint.pkix import extension as extension_mappings
from pkilint.pkix import name
from pkilint.pkix import ocsp as pkix_ocsp
from pkilint.validation import ValidationFindingSeverity
from servicecert_pki import der
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import sign_tbs, verify_certificate
from servicecert_pki.crl import Reason
from servicecert_pki.der import extension
from servicecert_pki.issuer import IssuerInfo
from servicecert_pki.keys import SigningKey
from servicecert_pki.ocsp_client import OcspQuery, OcspUnsound
from servicecert_pki.ocsp_messages import (
    GOOD,
    LARGEST_REQUEST,
    LONGEST_NONCE,
    MOST_CERTIFICATES,
    UNKNOWN,
    Fault,
    RequestMalformed,
    ResponderKey,
    Signer,
    fault_response,
    read_request,
    revoked,
    single_response,
)
from servicecert_pki.responder_certificate import ResponderRefused, build_responder_tbs, lint_responder, requested_key

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=4)
ENDS = NOW + timedelta(days=4)
SERIAL = 0x4A00000000000000000000000000000B
NONCE = bytes(range(32))


def certified(issuer: IssuerInfo, ca_key: SigningKey, key: ResponderKey, until: datetime = ENDS) -> Signer:
    tbs = build_responder_tbs(issuer, key.spki, 77, NOW - timedelta(minutes=10), until)
    return Signer(key, sign_tbs(tbs, ca_key), until)


@pytest.fixture(scope="module", params=["test-ec", "production-rsa"])
def issuer(request: pytest.FixtureRequest, authority: Authority) -> IssuerInfo:
    return authority.issuer(request.param)


@pytest.fixture(scope="module")
def signer(issuer: IssuerInfo, ca_keys: Mapping[str, SigningKey]) -> Signer:
    return certified(issuer, ca_keys[issuer.id], ResponderKey.draw())


def request(issuer: IssuerInfo, hash: Any = sha256, nonce: bytes | None = None, serial: int = SERIAL) -> bytes:
    algorithm = hashes.SHA256() if hash is sha256 else hashes.SHA1()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        hash(issuer.subject_der).digest(), hash(issuer.key_bits).digest(), serial, algorithm
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def tbs_request(*requests: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return der.sequence(der.sequence(before, der.sequence(*requests), after))


CERT_ID = der.sequence(
    der.sequence(der.oid("1.3.14.3.2.26"), b"\x05\x00"),
    der.tlv(der.OCTET_STRING, bytes(20)),
    der.tlv(der.OCTET_STRING, bytes(20)),
    der.integer(5),
)
ONE = der.sequence(CERT_ID)


def id_with(parameters: bytes = b"\x05\x00", serial: bytes = b"\x05") -> bytes:
    return der.sequence(
        der.sequence(der.oid("1.3.14.3.2.26"), parameters),
        der.tlv(der.OCTET_STRING, bytes(20)),
        der.tlv(der.OCTET_STRING, bytes(20)),
        der.tlv(der.INTEGER, serial),
    )


def with_nonce(octets: bytes, times: int = 1) -> bytes:
    nonce = extension("1.3.6.1.5.5.7.48.1.2", der.tlv(der.OCTET_STRING, octets))
    return tbs_request(ONE, after=der.tlv(0xA2, der.sequence(*[nonce] * times)))


@pytest.mark.parametrize("hash", [sha1, sha256])
@pytest.mark.parametrize("nonce", [None, NONCE])
def test_D8_a_request_is_read_as_another_library_wrote_it(issuer: IssuerInfo, hash: Any, nonce: bytes | None) -> None:
    read = read_request(request(issuer, hash, nonce))
    (cert_id,) = read.certificates
    assert (cert_id.serial, cert_id.name_hash) == (SERIAL, hash(issuer.subject_der).digest())
    assert cert_id.key_hash == hash(issuer.key_bits).digest()
    assert read.nonce == (None if nonce is None else der.tlv(der.OCTET_STRING, nonce))


def test_D8_version_requestor_and_extensions_that_change_nothing_are_passed_over() -> None:
    preferred = extension("1.3.6.1.5.5.7.48.1.8", der.sequence())
    name = der.tlv(0xA1, der.tlv(0xA4, der.sequence()))
    single = der.sequence(CERT_ID, der.tlv(0xA0, der.sequence(extension("1.3.6.1.5.5.7.48.1.7", b"\x05\x00"))))
    written = tbs_request(
        single, ONE, before=b"\xa0\x03\x02\x01\x00" + name, after=der.tlv(0xA2, der.sequence(preferred))
    )
    read = read_request(written)
    assert [it.encoded for it in read.certificates] == [CERT_ID, CERT_ID]
    assert read.nonce is None
    signed = der.sequence(written[3:], der.tlv(0xA0, der.sequence(b"\x05\x00")))
    assert len(read_request(signed).certificates) == 2


def test_D8_a_hash_has_no_parameters_written_in_either_way() -> None:
    written = [id_with(b""), id_with(b"\x05\x00", b"\0\x85")]
    read = read_request(tbs_request(*map(der.sequence, written)))
    assert [(it.encoded, it.serial) for it in read.certificates] == [(written[0], 5), (written[1], 0x85)]


@pytest.mark.parametrize("size", [1, 16, 32, LONGEST_NONCE])
def test_D8_nonces_of_rfc_9654_are_taken(size: int) -> None:
    assert read_request(with_nonce(bytes(size))).nonce == der.tlv(der.OCTET_STRING, bytes(size))


CRITICAL = extension("1.2.3.4", b"\x05\x00", critical=True)
MALFORMED = {
    "nothing": b"",
    "no DER": b"\x30\x84\x00\x00\x00\x00",
    "cut off": tbs_request(ONE)[:-1],
    "bytes after it": tbs_request(ONE) + b"\0",
    "too large": der.sequence(bytes(LARGEST_REQUEST)),
    "another type": der.tlv(der.OCTET_STRING, b"x"),
    "empty": der.sequence(),
    "empty inside": der.sequence(der.sequence()),
    "no certificate": tbs_request(),
    "no sequence": der.sequence(der.integer(1)),
    "something after the request": der.sequence(der.sequence(der.sequence(ONE)), der.integer(1)),
    "something inside after it": tbs_request(ONE, after=der.integer(1)),
    "too much inside": tbs_request(ONE, after=der.tlv(0xA2, der.sequence()) * 2),
    "too many certificates": tbs_request(*[ONE] * (MOST_CERTIFICATES + 1)),
    "version 2": tbs_request(ONE, before=b"\xa0\x03\x02\x01\x01"),
    "no nonce in the nonce": with_nonce(b""),
    "nonce too long": with_nonce(bytes(LONGEST_NONCE + 1)),
    "two nonces": with_nonce(b"x", times=2),
    "nonce of another type": tbs_request(
        ONE, after=der.tlv(0xA2, der.sequence(extension("1.3.6.1.5.5.7.48.1.2", der.sequence())))
    ),
    "critical extension": tbs_request(ONE, after=der.tlv(0xA2, der.sequence(CRITICAL))),
    "critical extension in other words": tbs_request(
        ONE, after=der.tlv(0xA2, der.sequence(CRITICAL.replace(b"\x01\x01\xff", b"\x01\x01\x01")))
    ),
    "critical extension of one": tbs_request(der.sequence(CERT_ID, der.tlv(0xA0, der.sequence(CRITICAL)))),
    "extension without a value": tbs_request(ONE, after=der.tlv(0xA2, der.sequence(der.sequence(der.oid("1.2.3"))))),
    "extensions twice": tbs_request(der.sequence(CERT_ID, *[der.tlv(0xA0, der.sequence())] * 2)),
    "id cut off": tbs_request(der.sequence(der.sequence(der.sequence(der.oid("1.2.3"))))),
    "id without algorithm": tbs_request(der.sequence(CERT_ID.replace(der.oid("1.3.14.3.2.26"), b"\x04" * 7))),
    "serial too long": tbs_request(der.sequence(id_with(serial=b"\1" + bytes(32)))),
    "serial with a zero before": tbs_request(der.sequence(id_with(serial=b"\0\5"))),
    "serial with a sign twice": tbs_request(der.sequence(id_with(serial=b"\xff\x85"))),
    "parameters of the hash": tbs_request(der.sequence(id_with(b"\x04\x00"))),
    "parameters of the hash twice": tbs_request(der.sequence(id_with(b"\x05\x00" * 2))),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_D8_what_is_no_request_is_malformed(what: str) -> None:
    with pytest.raises(RequestMalformed):
        read_request(MALFORMED[what])


@given(st.binary(max_size=200) | st.builds(lambda seed: _damaged(random.Random(seed)), st.integers(0, 1 << 40)))
@example(tbs_request(ONE))
def test_I6_whatever_comes_is_read_or_malformed(given: bytes) -> None:
    with suppress(RequestMalformed):
        assert read_request(given).certificates


def _damaged(dice: random.Random) -> bytes:
    whole = bytearray(with_nonce(bytes(32)))
    for _ in range(dice.randint(1, 4)):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole)


PKIX_OCSP = pkix_ocsp.create_pkix_ocsp_response_validator_container(
    [
        pkix_ocsp.create_response_decoder(),
        pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
        pkix.create_extension_decoder(extension_mappings.EXTENSION_MAPPINGS),
    ],
    [],
)

STATUSES = {
    "good": GOOD,
    "unknown": UNKNOWN,
    "revoked": revoked(NOW, Reason.KEY_COMPROMISE),
    "revoked without a reason": revoked(NOW, None),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("nonce", [None, NONCE])
def test_D8_an_answer_is_what_other_libraries_and_the_linter_take_for_one(
    issuer: IssuerInfo, signer: Signer, status: str, nonce: bytes | None
) -> None:
    query = read_request(request(issuer, sha1, nonce))
    invalid = NOW - timedelta(days=1) if status == "revoked" else None
    single = single_response(query.certificates[0].encoded, STATUSES[status], NOW, LATER, invalid)
    answer = signer.response([single], NOW, query.nonce)
    linted = PKIX_OCSP.validate(loader.RFC6960OCSPResponseDocumentLoader().load_der_document(answer).root)
    findings = [description.finding for result in linted for description in result.finding_descriptions]
    assert [it.code for it in findings if it.severity <= ValidationFindingSeverity.WARNING] == []
    strict = asn1.OCSPResponse.load(answer, strict=True)
    assert strict.dump(force=True) == answer
    assert (strict.nonce_value.native if nonce else nonce) == nonce
    read = ocsp.load_der_ocsp_response(answer)
    assert read.certificate_status.name.lower() == status.split()[0]
    assert (read.this_update_utc, read.next_update_utc, read.produced_at_utc) == (NOW, LATER, NOW)
    assert read.serial_number == SERIAL
    assert read.revocation_reason is (x509.ReasonFlags.key_compromise if status == "revoked" else None)
    (entry,) = strict.response_data["responses"]
    extensions = entry["single_extensions"].native or []
    assert [it["extn_id"] for it in extensions] == (["invalidity_date"] if invalid else [])


@pytest.mark.parametrize("fault", Fault)
def test_D8_an_answer_that_answers_nothing_is_read_by_others(fault: Fault) -> None:
    read = ocsp.load_der_ocsp_response(fault_response(fault))
    assert read.response_status.name == fault.name


def test_D8_I10_a_responder_s_certificate_is_sound_and_for_ocsp_only(
    issuer: IssuerInfo, ca_keys: Mapping[str, SigningKey]
) -> None:
    key = ResponderKey.draw()
    assert requested_key(key.request()) == key.spki
    assert "private" not in repr(key)
    tbs = build_responder_tbs(issuer, key.spki, 77, NOW, ENDS)
    lint_responder(tbs, issuer)
    signed = sign_tbs(tbs, ca_keys[issuer.id])
    verify_certificate(signed, tbs, issuer.public_key)
    read = x509.load_der_x509_certificate(signed)
    assert list(read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING
    ]
    assert read.extensions.get_extension_for_class(x509.OCSPNoCheck)
    assert not read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (read.not_valid_before_utc, read.not_valid_after_utc) == (NOW, ENDS)


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_D8_only_a_proven_p256_key_is_certified(issuer: IssuerInfo) -> None:
    with pytest.raises(ResponderRefused, match="can be read"):
        requested_key(b"no request")
    for key in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        with pytest.raises(ResponderRefused, match="P-256"):
            requested_key(csr(key))
    right = bytearray(ResponderKey.draw().request())
    right[-1] ^= 1
    with pytest.raises(ResponderRefused, match="possession"):
        requested_key(bytes(right))


def test_D8_nothing_is_certified_beyond_the_ca_s_own_validity(issuer: IssuerInfo) -> None:
    key = ResponderKey.draw()
    with pytest.raises(ResponderRefused, match="not valid any more"):
        build_responder_tbs(issuer, key.spki, 77, issuer.not_after, issuer.not_after + timedelta(days=4))
    with pytest.raises(ResponderRefused, match="finding"):
        lint_responder(build_responder_tbs(issuer, key.spki, 1 << 200, NOW, ENDS), issuer)


def answered(
    question: OcspQuery, signer: Signer, status: bytes = GOOD, this: datetime = NOW, until: datetime = LATER
) -> bytes:
    read = read_request(question.request())
    return signer.response([single_response(read.certificates[0].encoded, status, this, until)], NOW, read.nonce)


def test_I7_who_asks_believes_a_delegated_responder_only(
    issuer: IssuerInfo, signer: Signer, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    question = OcspQuery(issuer, SERIAL, NONCE)
    assert question.is_revoked(answered(question, signer, STATUSES["revoked"]), NOW)
    assert not question.is_revoked(answered(question, signer), NOW)
    assert not question.is_revoked(answered(question, signer, UNKNOWN), NOW)
    other = authority.issuer("test-rsa")
    stranger = certified(other, ca_keys["test-rsa"], ResponderKey.draw())
    subscriber = replace(signer, certificate_der=issuer.certificate_der)
    another_key = replace(signer, key=ResponderKey.draw())
    good = answered(question, signer)
    for answer, why in (
        (answered(question, stranger), "no valid certificate of"),
        (answered(question, subscriber), "verifies its signature"),
        (answered(question, another_key), "verifies its signature"),
        (answered(OcspQuery(issuer, SERIAL + 1, NONCE), signer), "another certificate"),
        (answered(OcspQuery(other, SERIAL, NONCE), signer), "another certificate"),
        (answered(OcspQuery(issuer, SERIAL, bytes(32)), signer), "nonce"),
        (answered(question, signer, this=LATER), "not of this time"),
        (answered(question, signer, until=NOW - timedelta(hours=1)), "not of this time"),
        (fault_response(Fault.TRY_LATER), "TRY_LATER"),
        (b"nothing", "no OCSP response"),
        (
            signer.response(
                [single_response(read_request(question.request()).certificates[0].encoded, GOOD, NOW, LATER)], NOW
            ),
            "nonce",
        ),
    ):
        with pytest.raises(OcspUnsound, match=why):
            question.is_revoked(answer, NOW)
    with pytest.raises(OcspUnsound, match="no valid certificate of"):
        question.is_revoked(answered(question, signer, until=ENDS + timedelta(days=9)), ENDS + timedelta(days=1))
    assert not question.is_revoked(good, NOW)


def test_I7_who_asks_without_a_nonce_believes_a_signed_answer_about_the_certificate_until_its_next_update(
    issuer: IssuerInfo, signer: Signer, authority: Authority, ca_keys: Mapping[str, SigningKey]
) -> None:
    question = OcspQuery(issuer, SERIAL)
    assert read_request(question.request()).nonce is None
    answer = answered(question, signer, STATUSES["revoked"])
    assert question.is_revoked(answer, NOW)
    assert question.is_revoked(answer, LATER)
    assert question.is_revoked(answered(OcspQuery(issuer, SERIAL, NONCE), signer, STATUSES["revoked"]), NOW)
    assert not question.is_revoked(answered(question, signer), NOW)
    stranger = certified(authority.issuer("test-rsa"), ca_keys["test-rsa"], ResponderKey.draw())
    cert_id = read_request(question.request()).certificates[0].encoded
    endless = der.sequence(cert_id, STATUSES["revoked"], der.generalized_time(NOW))
    for unsound, why in (
        (answered(question, stranger, STATUSES["revoked"]), "no valid certificate of"),
        (answered(question, replace(signer, key=ResponderKey.draw()), STATUSES["revoked"]), "verifies its signature"),
        (answered(OcspQuery(issuer, SERIAL + 1), signer, STATUSES["revoked"]), "another certificate"),
        (answered(question, signer, STATUSES["revoked"], this=LATER), "not of this time"),
        (answered(question, signer, STATUSES["revoked"], until=NOW - timedelta(hours=1)), "not of this time"),
        (signer.response([endless], NOW), "until when"),
    ):
        with pytest.raises(OcspUnsound, match=why):
            question.is_revoked(unsound, NOW)
    assert OcspQuery(issuer, SERIAL, NONCE).is_revoked(
        signer.response([endless], NOW, read_request(OcspQuery(issuer, SERIAL, NONCE).request()).nonce), NOW
    )
