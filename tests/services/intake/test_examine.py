"""A4: a certificate request is judged before its event is decided."""

from base64 import b64decode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from servicecert_intake.domain.examine import examine, judge_request
from servicecert_schemas.application import CsrAttached
from servicecert_schemas.event import Actor
from servicecert_worker.core.decider import Event


def request(key) -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "whatever")])
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())


@pytest.fixture(scope="module")
def good() -> x509.CertificateSigningRequest:
    return request(ec.generate_private_key(ec.SECP384R1()))


def test_A4_a_good_request_is_kept_as_der(good):
    found = judge_request(good.public_bytes(Encoding.PEM).decode())
    assert b64decode(found.der) == good.public_bytes(Encoding.DER)
    assert found.faults == ()


def test_A4_of_a_bad_request_only_the_reasons_are_kept():
    found = judge_request(request(rsa.generate_private_key(65537, 1024)).public_bytes(Encoding.PEM).decode())
    assert (found.der, found.faults) == (None, ("key-size",))


def test_I10_a_private_key_that_was_sent_is_not_kept():
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert judge_request(pem).faults == ("csr-is-private-key",)
    assert judge_request(pem).der is None


def test_A3_events_are_examined_in_order_and_others_left_alone(good, happenings):
    pem = good.public_bytes(Encoding.PEM).decode()
    actor = Actor(user_id="u", account_id="a", assurance="high", role="technical-contact")
    attached = CsrAttached(case_id=UUID(int=1), actor=actor, csr=pem)
    event = Event(UUID(int=2), attached.key(), attached, datetime(2026, 11, 24, tzinfo=UTC))
    without = (happenings["withdrawn"], happenings["issued"])
    first, *others = examine([event, *without])
    assert first.facts == judge_request(pem)
    assert tuple(others) == without
