"""B2: a void serial number, whose certificate may be signed, is revoked as any other, and nobody is notified."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from servicecert_pki.partitions import crl_name
from servicecert_revoker.crl.order_queue import Publish
from servicecert_revoker.domain.certificates import Certificate, Void
from servicecert_revoker.domain.crl_orders import ConfirmOrder, PublishOrder
from servicecert_revoker.domain.decide import HANDLERS, decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import CLOCK, Asked, Awaited, Registered, Revoked, Valid
from servicecert_schemas.certificate import CertificateIssued, CertificateVoided
from servicecert_schemas.deadline import DeadlineMark
from servicecert_schemas.event import EventData, Role
from servicecert_schemas.revocation import (
    CrlPublished,
    RevocationReason,
    RevocationRefused,
    RevocationRequested,
    Standing,
    StandingChanged,
    StandingsCounted,
)
from servicecert_worker.core.decider import Deadline, Decision, Effect, Event, Intent
from services.revoker.stand import Stand

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
DAY = timedelta(days=1)
SERIAL = "4a00000000000000000000000000000b"
MakeEvent = Callable[..., Event]
MakeAsked = Callable[..., Asked]
Requested = Callable[..., RevocationRequested]


@pytest.fixture(scope="module")
def voided(issued: CertificateIssued) -> CertificateVoided:
    return CertificateVoided(
        case_id=issued.case_id,
        issuer=issued.issuer,
        serial=SERIAL,
        serial_decimal=str(int(SERIAL, 16)),
        code="deadline",
        not_after=issued.not_after,
        partition=2,
    )


def test_B2_D4_void_serial_number_is_to_be_listed_as_needed_no_longer(
    known: Knowledge, voided: CertificateVoided, event: MakeEvent
) -> None:
    assert type(voided) in HANDLERS
    decision = decide(None, event(voided, NOW - timedelta(seconds=9)), known, NOW)
    status = decision.state
    assert isinstance(status, Registered)
    assert status.certificate == Void("test-ec", SERIAL, voided.not_after, 2)
    entry = status.revocation
    assert (entry.reason, entry.revoked_at) == (RevocationReason.NO_LONGER_NEEDED, NOW)
    assert (entry.requested_at, entry.due) == (NOW - timedelta(seconds=9), NOW - timedelta(seconds=9) + DAY)
    order = PublishOrder(issuer="test-ec", partition=2, serial=SERIAL, request_id=entry.request_id)
    clock = Deadline(CLOCK, status.clocks[CLOCK].wakes(DeadlineMark.HALF))
    assert decision == Decision(status, intents=(Intent("publish", order),), deadlines=(clock,))
    again = decide(None, event(voided, NOW - timedelta(seconds=9)), known, NOW).state
    assert again == status, "the same event has the same outcome at each revoker"


def test_I3_the_first_end_of_a_case_counts(
    known: Knowledge,
    registered: Registered,
    issued: CertificateIssued,
    certificate: Certificate,
    voided: CertificateVoided,
    event: MakeEvent,
) -> None:
    for status in (Valid(certificate), registered):
        assert decide(status, event(voided), known, NOW) == Decision(status)
    void = decide(None, event(voided), known, NOW).state
    assert decide(void, event(issued), known, NOW) == Decision(void)


def test_D7_what_would_have_expired_needs_no_entry(
    known: Knowledge, voided: CertificateVoided, event: MakeEvent
) -> None:
    assert voided.not_after is not None
    assert decide(None, event(voided), known, voided.not_after + timedelta(seconds=1)) == Decision(None)


def test_D7_what_does_not_say_its_end_is_listed_for_longer_than_any_certificate_lives(
    known: Knowledge, voided: CertificateVoided, event: MakeEvent
) -> None:
    status = decide(None, event(voided.model_copy(update={"not_after": None}), NOW), known, NOW).state
    assert isinstance(status, Registered)
    assert status.certificate.not_after > NOW + 2 * 366 * DAY + 60 * DAY


async def settled(stand: Stand, *happened: Any) -> list[EventData]:
    await stand.happen(*happened)
    return await stand.settled()


async def test_f2_a_void_serial_number_of_another_case_s_certificate_is_an_alarm(
    pool: Any,
    known: Knowledge,
    issued: CertificateIssued,
    voided: CertificateVoided,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stand = Stand(pool, known, now=NOW)
    await settled(stand, issued)
    number = {"serial": issued.serial, "serial_decimal": issued.serial_decimal}
    assert await settled(stand, voided.model_copy(update={"case_id": uuid4(), **number})) == []
    assert "certificate-of-another-case" in caplog.text
    assert await stand.standings() == {"valid": 1}


async def test_B2_I7_crl_and_ocsp_say_revoked_and_nobody_is_told(
    pool: Any, known: Knowledge, publish: Publish, voided: CertificateVoided
) -> None:
    """Turns on a real database, and real CRLs."""
    stand = Stand(pool, known, now=NOW)
    confirmed: list[ConfirmOrder] = []
    asking = stand.service.effects["confirm"].do

    async def confirm(tasks: Any) -> Any:
        confirmed.extend(task.data for task in tasks)
        for partition in (0, 2):
            crl = x509.load_der_x509_crl((publish.runner.files.folder / crl_name("test-ec", partition)).read_bytes())
            entry = crl.get_revoked_certificate_by_serial_number(int(SERIAL, 16))
            assert entry is not None, "I7: OCSP is asked only after both lists say so"
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
            assert reason is x509.ReasonFlags.cessation_of_operation
        return await asking(tasks)

    stand.service = replace(
        stand.service,
        effects={
            **stand.service.effects,
            "publish": Effect(PublishOrder, publish),
            "confirm": Effect(ConfirmOrder, confirm),
        },
    )
    events = await settled(stand, voided)
    assert [each.serial for each in confirmed] == [SERIAL]
    (standing,) = [each for each in events if isinstance(each, StandingChanged)]
    assert standing == StandingChanged(
        issuer="test-ec",
        serial=SERIAL,
        standing=Standing.REVOKED,
        reason=RevocationReason.NO_LONGER_NEEDED,
        revoked_at=NOW,
        not_after=voided.not_after or NOW,
    )
    assert {each.TYPE for each in events} == {StandingChanged.TYPE, StandingsCounted.TYPE, CrlPublished.TYPE}
    async with pool.acquire() as connection:
        (stored,) = await stand.service.tables.store.load(connection, [voided.key()])
    assert isinstance(stored.state, Revoked)
    assert stored.state.certificate == Void("test-ec", SERIAL, voided.not_after or NOW, 2)
    assert await pool.fetchval("select count(*) from deadlines where kind = $1", CLOCK) == 0
    assert await stand.parked() == 0


async def test_D1_whoever_asks_for_a_void_certificate_meets_a_case_without_one(
    pool: Any, known: Knowledge, voided: CertificateVoided, requested: Requested
) -> None:
    stand = Stand(pool, known, now=NOW)
    early = requested(sent_at=NOW)
    late = requested(reason=RevocationReason.KEY_EXPOSED)
    operators = requested(reason=RevocationReason.KEY_EXPOSED, role=Role.OPERATOR)
    events = await settled(stand, early, voided, late, operators)
    (refused,) = [each for each in events if isinstance(each, RevocationRefused)]
    assert (refused.request_id, refused.code) == (operators.request_id, "not-confirmed")
    stand.now += DAY
    assert await stand.wake() == 1
    events = await stand.settled()
    assert {(each.request_id, each.code) for each in events if isinstance(each, RevocationRefused)} == {
        (each.request_id, "no-such-certificate") for each in (early, late)
    }
    assert await stand.standings() == {"revoked": 1}
    assert await pool.fetchval("select reason from revocations") == RevocationReason.NO_LONGER_NEEDED


def test_B2_requests_that_wait_go_on_waiting(
    known: Knowledge, voided: CertificateVoided, asked: MakeAsked, event: MakeEvent
) -> None:
    waiting = Awaited((asked(),))
    status = decide(waiting, event(voided), known, NOW).state
    assert isinstance(status, Registered)
    assert status.pending == waiting.pending
