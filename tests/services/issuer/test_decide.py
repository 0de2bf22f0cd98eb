"""What the issuer decides (I3, A15, B2, B4)."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from cryptography import x509
from servicecert_issuer.decide import decide
from servicecert_issuer.examine import Office, allocate
from servicecert_issuer.issuance import Allocated, Intended, Recorded, Refused, Signed, SigningOrder, State
from servicecert_issuer.refusals import unissuable
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import CertificateUnsound
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import AcceptedWithdrawn, ApplicationAccepted, CertificateIssued, IssuingRefused
from servicecert_worker.decider import Decision, Due, Event, Intent, Result

Accepted = Callable[..., ApplicationAccepted]
MakeEvent = Callable[..., Event]

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_0001


@pytest.fixture(scope="module")
def allocated(office: Office, accepted: Accepted) -> Allocated:
    found = allocate(office, accepted(), SERIAL, NOW)
    assert isinstance(found, Allocated)
    return found


@pytest.fixture(scope="module")
def intended(allocated: Allocated, accepted: Accepted) -> Intended:
    return Intended.of(allocated, accepted())


@pytest.fixture(scope="module")
def signed(intended: Intended, authority: Authority, ca_keys: Mapping[str, SigningKey]) -> Signed:
    issuer = intended.allocated.issuer
    return Signed.by(authority.issuer(issuer), ca_keys[issuer], SigningOrder.of(intended))


@pytest.fixture(params=["intended", "issued", "refused"])
def settled(request: pytest.FixtureRequest, intended: Intended, signed: Signed) -> State:
    states: dict[str, State] = {
        "intended": intended,
        "issued": Recorded.of(intended, signed),
        "refused": Refused("validity"),
    }
    return states[request.param]


def result(accepted: Accepted, signed: Signed) -> Result:
    return Result(uuid4(), accepted().key(), "sign", signed)


def test_B2_accepted_application_is_intended_with_its_exact_bytes(
    allocated: Allocated, accepted: Accepted, event: MakeEvent
) -> None:
    decision = decide(None, event(accepted(), allocated), None, NOW)
    assert decision == Decision(
        Intended.of(allocated, accepted()),
        intents=(Intent("sign", SigningOrder(issuer="production-ec", tbs=allocated.tbs)),),
    )


def test_I3_second_accepted_event_changes_nothing(
    settled: State, allocated: Allocated, accepted: Accepted, event: MakeEvent
) -> None:
    again = replace(allocated, serial=SERIAL + 1, tbs=b"other")
    decision = decide(settled, event(accepted(), again), None, NOW)
    assert decision.state is settled
    assert decision == Decision(settled)


def test_A15_withdrawal_of_what_is_accepted_comes_too_late(
    settled: State, accepted: Accepted, event: MakeEvent
) -> None:
    decision = decide(settled, event(AcceptedWithdrawn(case_id=accepted().case_id)), None, NOW)
    assert decision.state is settled
    assert decision == Decision(settled)


def test_what_cannot_be_issued_is_refused_in_words(accepted: Accepted, event: MakeEvent) -> None:
    reason = unissuable("validity")
    decision = decide(None, event(accepted(), reason), None, NOW)
    refused = IssuingRefused(case_id=accepted().case_id, code="validity", texts=reason.texts)
    assert decision == Decision(Refused("validity"), events=(refused,))


def test_signed_certificate_is_recorded_and_told(
    intended: Intended, signed: Signed, accepted: Accepted, authority: Authority
) -> None:
    decision = decide(intended, result(accepted, signed), None, NOW)
    (issued,) = decision.events
    assert isinstance(issued, CertificateIssued)
    assert decision.state == Recorded(intended, signed.certificate)
    certificate = x509.load_der_x509_certificate(b64decode(issued.certificate))
    assert certificate.serial_number == int(issued.serial, 16) == int(issued.serial_decimal) == SERIAL
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (issued.not_before, issued.not_after)
    assert issued.subject == (
        "CN=kanta.example.fi,serialNumber=0204819-8,OU=Helsingin VI apteekki,O=Esimerkkiapteekki Oy,C=FI"
    )
    ca = authority.issuer("production-ec")
    assert [b64decode(it) for it in issued.chain] == [ca.certificate_der, ca.root_der]
    assert CertificateIssued.model_validate_json(issued.model_dump_json()) == issued
    assert (issued.account_id, issued.recipients) == (accepted().account_id, accepted().recipients)


def test_I3_second_signature_is_dropped(intended: Intended, signed: Signed, accepted: Accepted) -> None:
    recorded = Recorded.of(intended, signed)
    decision = decide(recorded, result(accepted, signed), None, NOW)
    assert decision.state is recorded
    assert decision == Decision(recorded)


def test_B4_certificate_over_other_bytes_is_never_recorded(intended: Intended, signed: Signed) -> None:
    other = replace(intended, allocated=replace(intended.allocated, tbs=b"other"))
    with pytest.raises(CertificateUnsound, match="differs"):
        Recorded.of(other, signed)


def test_what_it_does_not_wait_for_changes_nothing(settled: State, accepted: Accepted) -> None:
    assert decide(settled, Due(uuid4(), accepted().key(), "unknown", NOW), None, NOW) == Decision(settled)


def test_serial_number_is_written_with_two_digits_an_octet(allocated: Allocated) -> None:
    assert replace(allocated, serial=0xABC).serial_hex == "0abc"
    assert replace(allocated, serial=0xABCD).serial_hex == "abcd"


def test_signing_order_survives_its_storage(intended: Intended) -> None:
    order = SigningOrder.of(intended)
    assert SigningOrder.model_validate_json(order.model_dump_json()) == order
