"""What the issuer decides (I3, A15, B2 to B4)."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cryptography import x509
from servicecert_intake.domain.rules.contents import MOST_CHARACTERS
from servicecert_issuer.domain.decide import EXAMINE, RETRY, Decide, late_result_code
from servicecert_issuer.domain.examine import IssuingContext, examine_application
from servicecert_issuer.domain.issuance import (
    Intended,
    Linted,
    Recorded,
    Refused,
    Signed,
    SigningOrder,
    State,
    Stopped,
    Unsigned,
    Voided,
)
from servicecert_issuer.domain.unissuable import KEY_COMPROMISED, STOPPED, VOIDED, WITHDRAWN, Unissuable, unissuable
from servicecert_pki.authority import Authority
from servicecert_pki.certificate import CertificateUnsound
from servicecert_pki.keys import SigningKey
from servicecert_schemas.certificate import (
    AcceptedWithdrawn,
    ApplicationAccepted,
    CertificateIntended,
    CertificateIssued,
    CertificateVoided,
    IssuingRefused,
    IssuingStopped,
    ServerNames,
)
from servicecert_worker.core.decider import Decision, Due, Event, Examined, Intent, Result, Unanswerable

from services.issuer import harness

Accepted = Callable[..., ApplicationAccepted]
MakeEvent = Callable[..., Event]

NOW = datetime(2026, 11, 24, 10, 30, 15, tzinfo=UTC)
SERIAL = 0x4A00_0000_0000_0000_0000_0000_0000_0001
WEEK = timedelta(days=7)
decide = Decide(WEEK)


@pytest.fixture(scope="module")
def intended(intend: Callable[..., Intended]) -> Intended:
    return intend(serial=SERIAL, sign_by=NOW + WEEK)


@pytest.fixture(scope="module")
def linted(intended: Intended) -> Linted:
    return intended.linted


@pytest.fixture(scope="module")
def stopped(accepted: Accepted) -> Stopped:
    return Stopped(accepted(), "production-ec", ("pkix.a", "pkix.b"))


@pytest.fixture(scope="module")
def signed(
    intended: Intended, context: IssuingContext, ca_keys: Mapping[str, SigningKey], accepted: Accepted
) -> Signed:
    return harness.signed(context, ca_keys, intended, accepted())


@pytest.fixture(params=["intended", "issued", "refused", "voided"])
def settled(request: pytest.FixtureRequest, intended: Intended, signed: Signed, accepted: Accepted) -> State:
    states: dict[str, State] = {
        "intended": intended,
        "issued": Recorded.of(intended, signed),
        "refused": Refused("validity", accepted().application_sha256),
        "voided": Voided(intended, "deadline"),
    }
    return states[request.param]


def result(accepted: Accepted, data: Signed | Unsigned | Examined) -> Result:
    return Result(uuid4(), accepted().key(), "act", data)


def test_B2_accepted_application_is_intended_with_its_exact_bytes(
    linted: Linted, accepted: Accepted, event: MakeEvent
) -> None:
    decision = decide(None, event(accepted(), linted), None, NOW)
    order = SigningOrder(issuer="production-ec", tbs=linted.tbs, sign_by=NOW + WEEK)
    (published,) = decision.events
    assert decision == Decision(
        Intended.of(linted, accepted(), NOW + WEEK), events=(published,), intents=(Intent("sign", order),)
    )


def test_I4_what_is_published_of_an_intent_is_all_that_the_table_has(
    linted: Linted, accepted: Accepted, event: MakeEvent
) -> None:
    (published,) = decide(None, event(accepted(), linted), None, NOW).events
    assert isinstance(published, CertificateIntended)
    said = {name: value for name, value in dict(published).items() if name in vars(linted)}
    assert Linted(**{**said, "tbs": b64decode(published.tbs)}) == linted
    assert (published.case_id, published.sign_by) == (accepted().case_id, NOW + WEEK)
    assert published.application_sha256 == accepted().application_sha256


def test_I3_second_accepted_event_changes_nothing(
    settled: State, linted: Linted, accepted: Accepted, event: MakeEvent
) -> None:
    again = replace(linted, serial="4a", tbs=b"other")
    decision = decide(settled, event(accepted(), again), None, NOW)
    assert decision.state is settled
    assert decision == Decision(settled)


def test_A15_withdrawal_of_what_is_intended_or_ended_comes_too_late(
    settled: State, accepted: Accepted, event: MakeEvent
) -> None:
    decision = decide(settled, event(AcceptedWithdrawn(case_id=accepted().case_id)), None, NOW)
    assert decision.state is settled
    assert decision == Decision(settled)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_A15_withdrawal_before_the_intent_is_in_time_and_holds(
    is_stopped: bool, stopped: Stopped, linted: Linted, accepted: Accepted, event: MakeEvent
) -> None:
    before = stopped if is_stopped else None
    decision = decide(before, event(AcceptedWithdrawn(case_id=accepted().case_id)), None, NOW)
    refused = IssuingRefused(case_id=accepted().case_id, code="withdrawn", texts=WITHDRAWN.texts)
    digest = accepted().application_sha256 if is_stopped else None
    assert decision == Decision(Refused("withdrawn", digest), events=(refused,))
    late = decide(decision.state, event(accepted(), linted), None, NOW)
    assert late == Decision(decision.state)


def test_what_cannot_be_issued_is_refused_in_words(accepted: Accepted, event: MakeEvent) -> None:
    reason = unissuable("validity")
    decision = decide(None, event(accepted(), reason), None, NOW)
    refused = IssuingRefused(case_id=accepted().case_id, code="validity", texts=reason.texts)
    assert decision == Decision(Refused("validity", accepted().application_sha256), events=(refused,))


def test_B3_what_fails_the_checks_is_stopped_and_told_and_nothing_is_intended(
    stopped: Stopped, accepted: Accepted, event: MakeEvent
) -> None:
    decision = decide(None, event(accepted(), stopped), None, NOW)
    published = IssuingStopped(case_id=accepted().case_id, code="stopped", texts=STOPPED.texts)
    assert decision == Decision(stopped, events=(published,))


def test_B3_stopped_application_is_examined_anew_when_an_operator_says_so(
    stopped: Stopped, linted: Linted, accepted: Accepted
) -> None:
    asked = decide(stopped, Due(uuid4(), accepted().key(), RETRY, NOW), None, NOW)
    assert asked == Decision(stopped, intents=(Intent(EXAMINE, accepted()),))
    passed = decide(stopped, result(accepted, Examined(facts=linted)), None, NOW)
    assert isinstance(passed.state, Intended)
    assert [intent.kind for intent in passed.intents] == ["sign"]


def test_B3_same_findings_again_are_no_news(stopped: Stopped, accepted: Accepted) -> None:
    again = decide(stopped, result(accepted, Examined(facts=replace(stopped))), None, NOW)
    assert again == Decision(stopped)
    assert again.state is stopped
    other = decide(stopped, result(accepted, Examined(facts=replace(stopped, findings=("pkix.c",)))), None, NOW)
    assert [type(event) for event in other.events] == [IssuingStopped]


def test_event_that_was_not_examined_is_a_defect(accepted: Accepted, event: MakeEvent) -> None:
    with pytest.raises(TypeError, match="NoneType"):
        decide(None, event(accepted(), None), None, NOW)


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


@pytest.mark.parametrize(
    ("code", "reason"), [("deadline", VOIDED), ("operator", VOIDED), ("key-compromised", KEY_COMPROMISED)]
)
def test_B2_order_that_was_not_signed_makes_the_serial_void_and_ends_the_case(
    intended: Intended, accepted: Accepted, code: str, reason: Unissuable
) -> None:
    decision = decide(intended, result(accepted, Unsigned(code=code)), None, NOW)
    assert decision.state == Voided(intended, code)
    voided, refused = decision.events
    assert voided == CertificateVoided(
        case_id=accepted().case_id,
        issuer="production-ec",
        serial=f"{SERIAL:x}",
        serial_decimal=str(SERIAL),
        code=code,
        not_after=intended.linted.not_after,
        partition=intended.linted.partition,
    )
    assert refused == IssuingRefused(case_id=accepted().case_id, code=reason.code, texts=reason.texts)
    assert not decision.intents


def test_B2_never_both_void_and_issued(intended: Intended, signed: Signed, accepted: Accepted) -> None:
    voided = Voided(intended, "deadline")
    assert decide(voided, result(accepted, signed), None, NOW) == Decision(voided)
    recorded = Recorded.of(intended, signed)
    assert decide(recorded, result(accepted, Unsigned(code="operator")), None, NOW) == Decision(recorded)


def test_B6_only_a_signature_after_the_void_contradicts_an_end(
    intended: Intended, signed: Signed, accepted: Accepted
) -> None:
    voided, recorded = Voided(intended, "deadline"), Recorded.of(intended, signed)
    unsigned = result(accepted, Unsigned(code="deadline"))
    assert late_result_code(voided, result(accepted, signed)) == "signed-after-void"
    assert late_result_code(recorded, result(accepted, signed)) is None
    assert late_result_code(voided, unsigned) is None
    assert late_result_code(None, unsigned) is None


def test_I3_second_signature_is_dropped(intended: Intended, signed: Signed, accepted: Accepted) -> None:
    recorded = Recorded.of(intended, signed)
    decision = decide(recorded, result(accepted, signed), None, NOW)
    assert decision.state is recorded
    assert decision == Decision(recorded)


def test_B4_certificate_over_other_bytes_is_never_recorded(intended: Intended, signed: Signed) -> None:
    other = replace(intended, linted=replace(intended.linted, tbs=b"other"))
    with pytest.raises(CertificateUnsound, match="differs"):
        Recorded.of(other, signed)


def test_what_it_does_not_wait_for_changes_nothing(settled: State, linted: Linted, accepted: Accepted) -> None:
    assert decide(settled, Due(uuid4(), accepted().key(), RETRY, NOW), None, NOW) == Decision(settled)
    assert decide(settled, result(accepted, Examined(facts=linted)), None, NOW) == Decision(settled)


@pytest.mark.parametrize(("serial", "written"), [(0xABC, "0abc"), (0xABCD, "abcd")])
def test_serial_number_is_written_with_two_digits_an_octet(
    intend: Callable[..., Intended], serial: int, written: str
) -> None:
    assert intend(serial=serial).linted.serial == written


def test_signing_order_survives_its_storage(intended: Intended) -> None:
    order = SigningOrder.of(intended)
    assert SigningOrder.model_validate_json(order.model_dump_json()) == order


def test_F2_I3_another_application_for_a_case_is_parked_in_whatever_state_it_is(
    settled: State, stopped: Stopped, linted: Linted, accepted: Accepted, event: MakeEvent
) -> None:
    for state in (settled, stopped):
        # Recipients can be erased, and do not count.
        for same in (accepted(), accepted(recipients=())):
            assert decide(state, event(same, linted), None, NOW) == Decision(state)
        with pytest.raises(Unanswerable) as caught:
            decide(state, event(accepted(csr="AAAA"), linted), None, NOW)
        assert caught.value.code == "second-application"


def test_I3_an_application_that_comes_again_under_another_id_begins_nothing_anew(intend, accepted, event):
    intended = intend()
    again = event(accepted(), intended.linted)
    assert decide(intended, again, None, NOW).intents == ()


def test_A10_what_may_be_accepted_can_be_told(
    accepted: Accepted, event: MakeEvent, context: IssuingContext, ca_keys: Mapping[str, SigningKey]
) -> None:
    """With as many and as long names as there may be, and the larger key."""
    long = (".".join([f"{number:03}{'a' * 60}", "b" * 63, "c" * 63, "d" * 58, "fi"]) for number in range(70))
    short = (f"n{number}.e.fi" for number in range(10, 39))
    ip = tuple(f"2a00:1450::{number:x}" for number in range(1, 101))
    names = ServerNames(dns=("kanta.example.fi", *long, *short), ip=ip)
    assert (len(names.dns), MOST_CHARACTERS - sum(map(len, names.dns))) == (100, 42)
    application = accepted(key="rsa", names=names)
    linted = examine_application(context, application, SERIAL, NOW)
    assert isinstance(linted, Linted)
    decision = decide(None, event(application, linted), None, NOW)
    assert isinstance(decision.state, Intended)
    signed = harness.signed(context, ca_keys, decision.state, application)
    (told,) = decide(decision.state, result(accepted, signed), None, NOW).events
    assert isinstance(told, CertificateIssued)
