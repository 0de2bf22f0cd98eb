"""What the revoker decides (D1, D3, D4, D5, I3, I7)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from servicecert_pki.partitions import crl_url
from servicecert_revoker import answers
from servicecert_revoker.asking import MOST_HELD
from servicecert_revoker.cascade_plan import CascadeOrder
from servicecert_revoker.confirmation import Confirmed, ConfirmOrder
from servicecert_revoker.decide import State, decide, heeds
from servicecert_revoker.knowledge import Knowledge
from servicecert_revoker.publication import Published, PublishedCrl, PublishOrder
from servicecert_revoker.status import (
    Asked,
    Awaited,
    Certificate,
    Final,
    Listed,
    Registered,
    Revocation,
    Revoked,
    Valid,
)
from servicecert_schemas.certificate import CertificateIssued, IssuingRefused
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.revocation import (
    CertificateRevoked,
    CrlPublished,
    RevocationReason,
    RevocationRefused,
    RevocationRegistered,
    RevocationRequested,
    Standing,
    StandingChanged,
)
from servicecert_worker.decider import Deadline, Decision, Due, Event, Intent, Result

Requested = Callable[..., RevocationRequested]
MakeAsked = Callable[..., Asked]
MakeEvent = Callable[..., Event]

ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WRITTEN_AT = datetime(2026, 11, 24, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
SERIAL = "4a00000000000000000000000000000b"
SCHEDULE = "crl/test-ec/0"


def crl(partition: int) -> PublishedCrl:
    return PublishedCrl(
        partition=partition,
        number=7,
        url=crl_url("http://crl.example.fi", "test-ec", partition),
        this_update=NOW,
        next_update=NOW + timedelta(hours=72),
        entries=3,
        sha256="a" * 64,
    )


def published(request_id: UUID | None, *, partition: int = 5, announce: bool = False) -> Published:
    return Published(
        issuer="test-ec",
        crl=crl(partition),
        announced=(crl(0), crl(5)) if announce else (),
        next_planned=NOW + timedelta(hours=24),
        published_at=NOW,
        request_id=request_id,
    )


def result(key: str, data: Published | Confirmed) -> Result:
    return Result(uuid4(), key, "publish" if isinstance(data, Published) else "confirm", data)


def confirmed(request_id: UUID) -> Confirmed:
    return Confirmed(
        issuer="test-ec",
        serial=SERIAL,
        request_id=request_id,
        crl_number=7,
        crl_url="http://crl.example.fi/test-ec.5.crl",
        published_at=NOW,
        confirmed_at=NOW,
    )


def listed(registered: Registered) -> Listed:
    return Listed(registered.certificate, registered.revocation)


def revoked(registered: Registered) -> Revoked:
    return Revoked(registered.certificate, registered.revocation)


@pytest.fixture(params=[Registered, Listed, Revoked])
def final(request: pytest.FixtureRequest, registered: Registered) -> Final:
    kind: type[Final] = request.param
    return kind(registered.certificate, registered.revocation)


def test_issued_certificate_becomes_known(
    known: Knowledge, issued: CertificateIssued, certificate: Certificate, event: MakeEvent
) -> None:
    decision = decide(None, event(issued, ISSUED_AT), known, NOW)
    told = StandingChanged(issuer="test-ec", serial=SERIAL, standing=Standing.VALID, not_after=certificate.not_after)
    assert decision == Decision(Valid(certificate), events=(told,))


def test_I3_second_certificate_of_a_case_is_none(
    known: Knowledge, final: Final, certificate: Certificate, issued: CertificateIssued, event: MakeEvent
) -> None:
    for status in (Valid(certificate), final):
        decision = decide(status, event(issued.model_copy(update={"serial": "77"})), known, NOW)
        assert decision.state is status
        assert decision == Decision(status)


def test_D4_right_request_is_registered_and_to_be_published(
    known: Knowledge, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    request = requested()
    decision = decide(Valid(certificate), event(request), known, NOW)
    entry = Revocation(
        request_id=request.request_id,
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=SENT_AT,
        due=SENT_AT + timedelta(hours=24),
        revoked_at=NOW,
    )
    told = RevocationRegistered(
        case_id=request.case_id,
        request_id=request.request_id,
        serial=SERIAL,
        reason=RevocationReason.NO_LONGER_NEEDED,
        requested_at=SENT_AT,
        due=SENT_AT + timedelta(hours=24),
    )
    order = PublishOrder(issuer="test-ec", partition=5, serial=SERIAL, request_id=request.request_id)
    clock = Deadline("revocation-clock", SENT_AT + timedelta(hours=12))
    assert decision == Decision(
        Registered(certificate, entry), events=(told,), intents=(Intent("publish", order),), deadlines=(clock,)
    )


def test_D1_wrong_request_is_refused_whatever_the_standing(
    known: Knowledge, final: Final, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    for status in (Valid(certificate), final):
        decision = decide(status, event(requested(serial_as_typed="77")), known, NOW)
        (refused,) = decision.events
        assert isinstance(refused, RevocationRefused)
        assert refused.code == "no-such-certificate"
        assert decision.state is status
        assert decision.intents == ()


def test_expired_certificate_need_not_be_revoked(
    known: Knowledge, certificate: Certificate, requested: Requested, event: MakeEvent
) -> None:
    later = certificate.not_after + timedelta(seconds=1)
    (refused,) = decide(Valid(certificate), event(requested()), known, later).events
    assert isinstance(refused, RevocationRefused)
    assert refused.code == "certificate-expired"


def test_D3_asking_again_is_answered_with_the_first_result(
    known: Knowledge, final: Final, requested: Requested, event: MakeEvent
) -> None:
    again = requested(reason=RevocationReason.PURPOSE_OR_DATA_CHANGED, sent_at=SENT_AT + timedelta(seconds=30))
    decision = decide(final, event(again), known, final.certificate.not_after + timedelta(days=1))
    first = final.revocation
    told = RevocationRegistered(
        case_id=again.case_id,
        request_id=again.request_id,
        serial=SERIAL,
        reason=first.reason,
        requested_at=first.requested_at,
        due=first.due,
    )
    assert decision.state is final
    assert decision == Decision(final, events=(told,))


def test_D3_the_same_request_again_is_nothing_new(
    known: Knowledge, final: Final, requested: Requested, event: MakeEvent
) -> None:
    decision = decide(final, event(requested(request_id=final.revocation.request_id)), known, NOW)
    assert decision.state is final
    assert decision == Decision(final)


def test_D3_exposed_key_overrides_a_weaker_reason_once(
    known: Knowledge, final: Final, requested: Requested, event: MakeEvent
) -> None:
    worse = requested(reason=RevocationReason.KEY_EXPOSED, exposed_since=SENT_AT)
    decision = decide(final, event(worse), known, NOW + timedelta(hours=1))
    entry = replace(
        final.revocation,
        request_id=worse.request_id,
        reason=RevocationReason.KEY_EXPOSED,
        invalid_since=SENT_AT,
    )
    overridden = replace(final, revocation=entry)
    order = PublishOrder(issuer="test-ec", partition=5, serial=SERIAL, request_id=worse.request_id)
    assert decision.state == overridden
    assert decision.intents == (Intent("publish", order), Intent("cascade", CascadeOrder(key_sha256="1" * 64)))
    assert [told.TYPE for told in decision.events] == [RevocationRegistered.TYPE, KeyCompromised.TYPE]
    once_more = decide(overridden, event(requested(reason=RevocationReason.KEY_EXPOSED)), known, NOW)
    assert once_more.state is overridden
    assert once_more.intents == ()


def test_I7_D8_published_crl_lets_ocsp_say_so_and_nobody_else(
    known: Knowledge, registered: Registered, requested: Requested
) -> None:
    entry = registered.revocation
    decision = decide(registered, result(requested().key(), published(entry.request_id)), known, NOW)
    told = StandingChanged(
        issuer="test-ec",
        serial=SERIAL,
        standing=Standing.REVOKED,
        reason=entry.reason,
        revoked_at=entry.revoked_at,
        not_after=registered.certificate.not_after,
    )
    order = ConfirmOrder(
        issuer="test-ec",
        serial=SERIAL,
        request_id=entry.request_id,
        crl_number=7,
        crl_url="http://crl.example.fi/test-ec.5.crl",
        published_at=NOW,
    )
    assert decision == Decision(listed(registered), events=(told,), intents=(Intent("confirm", order),))


def test_I7_D5_revoked_is_said_when_crl_and_ocsp_say_so(
    known: Knowledge, registered: Registered, requested: Requested
) -> None:
    key = requested().key()
    decision = decide(listed(registered), result(key, confirmed(registered.revocation.request_id)), known, NOW)
    (told,) = decision.events
    assert isinstance(told, CertificateRevoked)
    assert decision.state == revoked(registered)
    assert (told.crl_number, told.crl_url, told.published_at) == (7, "http://crl.example.fi/test-ec.5.crl", NOW)
    assert (told.requested_at, told.revoked_at) == (SENT_AT, NOW)
    assert (told.serial, int(told.serial_decimal)) == (SERIAL, int(SERIAL, 16))
    assert (told.language, told.recipients) == (registered.certificate.language, registered.certificate.recipients)
    assert CertificateRevoked.model_validate_json(told.model_dump_json()) == told


def test_I7_confirmation_with_an_overtaken_entry_tells_nobody(
    known: Knowledge, registered: Registered, requested: Requested
) -> None:
    for status in (listed(registered), registered, revoked(registered)):
        request_id = uuid4() if isinstance(status, Listed) else registered.revocation.request_id
        decision = decide(status, result(requested().key(), confirmed(request_id)), known, NOW)
        assert decision.state is status
        assert decision == Decision(status)


def test_I7_crl_with_an_overtaken_entry_tells_nobody(
    known: Knowledge, registered: Registered, requested: Requested
) -> None:
    decision = decide(registered, result(requested().key(), published(uuid4())), known, NOW)
    assert decision.state is registered
    assert decision == Decision(registered)


def test_D5_crl_with_the_worse_reason_mails_nobody_twice_and_ocsp_says_it(
    known: Knowledge, registered: Registered, requested: Requested
) -> None:
    status = revoked(registered)
    decision = decide(status, result(requested().key(), published(status.revocation.request_id)), known, NOW)
    assert decision.state is status
    assert [type(told) for told in decision.events] == [StandingChanged]
    assert (decision.intents, decision.deadlines) == ((), ())


def test_D3_reason_that_is_overridden_while_ocsp_is_asked_is_told_once(
    known: Knowledge, registered: Registered, requested: Requested, event: MakeEvent
) -> None:
    worse = requested(reason=RevocationReason.KEY_EXPOSED)
    key, first = worse.key(), registered.revocation.request_id
    overridden = decide(listed(registered), event(worse), known, NOW).state
    late = decide(overridden, result(key, confirmed(first)), known, NOW)
    assert late == Decision(overridden)
    again = decide(overridden, result(key, published(worse.request_id)), known, NOW)
    assert [intent.kind for intent in again.intents] == ["confirm"]
    (told,) = decide(again.state, result(key, confirmed(worse.request_id)), known, NOW).events
    assert isinstance(told, CertificateRevoked)
    assert told.reason is RevocationReason.KEY_EXPOSED


def test_crl_is_announced_by_whom_it_falls_to(known: Knowledge, registered: Registered, requested: Requested) -> None:
    key = requested().key()
    request_id = registered.revocation.request_id
    first = decide(registered, result(key, published(request_id, announce=True)), known, NOW)
    assert [type(told) for told in first.events] == [StandingChanged, CrlPublished, CrlPublished]
    assert [told.key() for told in first.events[1:]] == ["crl/test-ec/0", "crl/test-ec/5"]
    late = decide(registered, result(key, published(uuid4(), announce=True)), known, NOW)
    assert [type(told) for told in late.events] == [CrlPublished, CrlPublished]


def test_D7_schedule_publishes_and_plans_the_next(known: Knowledge) -> None:
    due = decide(None, Due(uuid4(), SCHEDULE, "publish", NOW), known, NOW)
    assert due == Decision(None, intents=(Intent("publish", PublishOrder(issuer="test-ec")),))
    done = decide(None, result(SCHEDULE, published(None, partition=0, announce=True)), known, NOW)
    told, _ = done.events
    assert isinstance(told, CrlPublished)
    assert told.key() == SCHEDULE
    assert (told.number, told.entries, told.next_update) == (7, 3, NOW + timedelta(hours=72))
    assert done.deadlines == (Deadline("publish", NOW + timedelta(hours=24)),)


def test_request_before_its_certificate_waits_and_is_judged_then(
    known: Knowledge, issued: CertificateIssued, requested: Requested, event: MakeEvent
) -> None:
    wrong, right = requested(serial_as_typed="77"), requested()
    answer = Deadline("answer", NOW + timedelta(days=1))
    first = decide(None, event(wrong), known, NOW)
    assert first == Decision(Awaited((Asked(wrong, WRITTEN_AT, NOW),)), deadlines=(answer,))
    later = NOW + timedelta(seconds=1)
    second = decide(first.state, event(right), known, later)
    assert second == Decision(
        Awaited((Asked(wrong, WRITTEN_AT, NOW), Asked(right, WRITTEN_AT, later))), deadlines=(answer,)
    )
    repeated = decide(second.state, event(right), known, later)
    assert repeated.state is second.state
    learnt = decide(second.state, event(issued, ISSUED_AT), known, later)
    assert isinstance(learnt.state, Registered)
    assert learnt.state.revocation.requested_at == SENT_AT
    assert [told.TYPE for told in learnt.events] == [
        StandingChanged.TYPE,
        RevocationRefused.TYPE,
        RevocationRegistered.TYPE,
    ]
    assert [intent.kind for intent in learnt.intents] == ["publish"]
    assert learnt.deadlines == (
        Deadline("answer", None),
        Deadline("revocation-clock", SENT_AT + timedelta(hours=12)),
    )


def test_D4_request_without_a_certificate_is_answered_in_time(
    known: Knowledge, asked: MakeAsked, requested: Requested
) -> None:
    waiting = Awaited((asked(), asked()))
    later = NOW + timedelta(days=1)
    decision = decide(waiting, Due(uuid4(), requested().key(), "answer", later), known, later)
    assert decision.state == Awaited(())
    assert [told.code for told in decision.events if isinstance(told, RevocationRefused)] == ["no-such-certificate"] * 2


def test_waiting_requests_are_bounded(
    known: Knowledge, asked: MakeAsked, requested: Requested, event: MakeEvent
) -> None:
    full = Awaited(tuple(asked() for _ in range(MOST_HELD)))
    decision = decide(full, event(requested()), known, NOW)
    assert decision.state is full
    assert [type(told) for told in decision.events] == [RevocationRefused]


def test_I12_order_of_request_and_certificate_does_not_matter(
    known: Knowledge, issued: CertificateIssued, requested: Requested, event: MakeEvent
) -> None:
    happened = [event(issued, ISSUED_AT), event(requested())]

    def outcome(events: list[Event]) -> tuple[State | None, list[Any], list[Any]]:
        state: State | None = None
        told: list[Any] = []
        intents: list[Any] = []
        for each in events:
            decision = decide(state, each, known, NOW)
            state = decision.state
            told += decision.events
            intents += decision.intents
        return state, told, intents

    assert outcome(happened) == outcome(happened[::-1])


@pytest.mark.parametrize("kind", ["answer", "publish", "unknown"])
def test_what_it_does_not_wait_for_changes_nothing(
    known: Knowledge, final: Final, requested: Requested, kind: str
) -> None:
    assert decide(final, Due(uuid4(), requested().key(), kind, NOW), known, NOW) == Decision(final)


def test_only_ends_of_cases_and_requests_are_heeded(issued: CertificateIssued, requested: Requested) -> None:
    assert heeds(issued)
    assert heeds(requested())
    assert not heeds(IssuingRefused(case_id=issued.case_id, code="x", texts=answers.TEXTS[answers.EXPIRED]))
