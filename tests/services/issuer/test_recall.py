"""What the issuer drew and signed before, by what it published."""

from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from servicecert_issuer.domain.decide import EXAMINE, SIGN
from servicecert_issuer.domain.events import announcement
from servicecert_issuer.domain.issuance import Intended, Linted, Recorded, Signed, SigningOrder, Unsigned
from servicecert_issuer.domain.recall import RECALL
from servicecert_issuer.domain.recheck import RECHECK
from servicecert_schemas.certificate import (
    AcceptedWithdrawn,
    CertificateIntended,
    CertificateIssued,
    CertificateVoided,
    IssuingRefused,
)
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import KeyCompromised
from servicecert_schemas.values import Texts
from servicecert_worker.core.decider import Event, Examined, Task
from servicecert_worker.core.published import PublishedEvent, PublishedEvents
from services.handler import example

from .conftest import CASE, NOW, Accepted


def published(*events: EventData) -> PublishedEvents:
    return PublishedEvents(PublishedEvent(uuid4(), data, NOW) for data in events)


def voided(case_id: UUID = CASE) -> CertificateVoided:
    return CertificateVoided(case_id=case_id, issuer="test-ec", serial="4a", serial_decimal="74", code="deadline")


def refused() -> IssuingRefused:
    return IssuingRefused(case_id=CASE, code="voided", texts=Texts(sv="-", fi="-", en="-"))


def issued(event: CertificateIssued, case_id: UUID = CASE) -> CertificateIssued:
    return event.model_copy(update={"case_id": case_id})


def signing(case_id: UUID = CASE) -> Task:
    order = SigningOrder(issuer="test-ec", tbs=b"tbs", sign_by=NOW)
    return Task(uuid4(), str(case_id), SIGN, order, NOW)


def test_I4_an_issued_certificate_is_intended_again_with_the_same_bytes(
    accepted: Accepted, event: Callable[..., Event], real: CertificateIssued
) -> None:
    """So the case's certificate is recorded, and nothing else can be signed for it."""
    application = accepted()
    events = published(voided(UUID(int=5)), refused(), issued(real))
    facts = RECALL.facts(event(application), events)
    assert isinstance(facts, Linted)
    assert (facts.issuer, facts.serial, facts.partition) == (real.issuer, real.serial, real.partition)
    assert facts.business_id == application.subject.business_id
    intended = Intended.of(facts, application, NOW + timedelta(days=7))
    end = RECALL.result(signing(), events)
    assert isinstance(end, Signed)
    assert Recorded.of(intended, end).certificate == b64decode(real.certificate)


def test_I4_an_announced_certificate_is_intended_with_its_bytes_and_stays_to_be_signed(
    accepted: Accepted, event: Callable[..., Event]
) -> None:
    told = example(CertificateIntended, case_id=CASE)
    facts = RECALL.facts(event(accepted()), published(told))
    assert isinstance(facts, Linted)
    assert (facts.serial, facts.tbs) == (told.serial, b64decode(told.tbs))
    assert RECALL.result(signing(), published(told)) is None


def test_what_nothing_is_published_of_is_examined_anew(
    accepted: Accepted, event: Callable[..., Event], real: CertificateIssued
) -> None:
    assert RECALL.facts(event(accepted()), published(refused())) is None
    assert RECALL.facts(event(accepted()), published(issued(real, UUID(int=5)))) is None
    withdrawn = AcceptedWithdrawn(case_id=CASE)
    assert RECALL.facts(event(withdrawn), published(issued(real))) is None


def test_a_void_intent_ends_void_again(real: CertificateIssued) -> None:
    assert RECALL.result(signing(), published(refused(), voided())) == Unsigned(code="deadline")
    assert RECALL.result(signing(), published(refused())) is None
    assert RECALL.result(signing(UUID(int=5)), published(voided(), issued(real))) is None


def test_a_stopped_application_is_examined_with_what_was_issued_later(
    accepted: Accepted, real: CertificateIssued
) -> None:
    task = Task(uuid4(), str(CASE), EXAMINE, accepted(), NOW)
    result = RECALL.result(task, published(issued(real)))
    assert isinstance(result, Examined)
    assert isinstance(result.facts, Linted)
    assert RECALL.result(task, published(refused())) is None


def test_other_acts_are_not_recalled(real: CertificateIssued) -> None:
    task = Task(uuid4(), str(CASE), RECHECK, None, NOW)
    assert RECALL.result(task, published(issued(real))) is None


def test_D6_a_compromised_key_was_blocked_after_the_last_certificate_for_it_was_intended(
    intend: Callable[..., Intended],
) -> None:
    """Which is all that the topics tell of when."""
    intended = intend()
    order = SigningOrder.of(intended)
    events = PublishedEvents(
        PublishedEvent(uuid4(), announcement(str(UUID(int=n)), order, intended), NOW + timedelta(hours=n))
        for n in range(3)
    )
    report = KeyCompromised(key_sha256=intended.linted.key_sha256, known_at=NOW)
    assert RECALL.decided_after(report, events) == NOW + timedelta(hours=2)
    assert RECALL.decided_after(report.model_copy(update={"key_sha256": "0" * 64}), events) is None
    assert RECALL.decided_after(refused(), events) is None
