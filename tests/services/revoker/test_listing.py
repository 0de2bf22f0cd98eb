"""What follows when a CRL is published and OCSP confirms it, and who is notified when (D5, D7, I7)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from servicecert_pki.partitions import crl_url
from servicecert_revoker.domain.crl_orders import Confirmed, ConfirmOrder, Published, PublishedCrl, PublishOrder
from servicecert_revoker.domain.decide import decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import Listed, Listing, Registered, Revoked
from servicecert_schemas.revocation import (
    CertificateRevoked,
    CrlPublished,
    RevocationReason,
    RevocationRequested,
    Standing,
    StandingChanged,
    StandingsCount,
    StandingsCounted,
)
from servicecert_worker.core.decider import Deadline, Decision, Due, Event, Intent, Result

Requested = Callable[..., RevocationRequested]
MakeEvent = Callable[..., Event]

SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
SERIAL = "4a00000000000000000000000000000b"
SCHEDULE = "crl/test-ec/0"
COUNT = StandingsCount(at=NOW, crl_number=7, standings=3, total=5)


def crl(partition: int) -> PublishedCrl:
    return PublishedCrl(
        partition=partition,
        number=7,
        url=crl_url("http://crl.example.fi", "test-ec", partition),
        this_update=NOW,
        next_update=NOW + timedelta(hours=72),
        entries=3,
        sha256="a" * 64,
        count=COUNT if partition == 0 else None,
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
    listing = Listing(7, "http://crl.example.fi/test-ec.5.crl", NOW)
    return Revoked(registered.certificate, registered.revocation, listing=listing)


def test_I7_D8_published_crl_lets_ocsp_say_so_and_nobody_else(
    known: Knowledge, registered: Registered, requested: Requested
) -> None:
    entry = registered.revocation
    decision = decide(registered, result(requested().key(), published(entry.request_id)), known, NOW)
    decided = StandingChanged(
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
        reason=entry.reason,
        crl_number=7,
        crl_url="http://crl.example.fi/test-ec.5.crl",
        published_at=NOW,
    )
    assert decision == Decision(listed(registered), events=(decided,), intents=(Intent("confirm", order),))


def test_I7_D5_revoked_is_said_when_crl_and_ocsp_say_so(
    known: Knowledge, registered: Registered, requested: Requested
) -> None:
    key = requested().key()
    decision = decide(listed(registered), result(key, confirmed(registered.revocation.request_id)), known, NOW)
    (decided,) = decision.events
    assert isinstance(decided, CertificateRevoked)
    assert decision.state == revoked(registered)
    assert (decided.crl_number, decided.crl_url, decided.published_at) == (
        7,
        "http://crl.example.fi/test-ec.5.crl",
        NOW,
    )
    assert (decided.requested_at, decided.revoked_at) == (SENT_AT, NOW)
    assert (decided.serial, int(decided.serial_decimal)) == (SERIAL, int(SERIAL, 16))
    assert (decided.language, decided.recipients) == (
        registered.certificate.language,
        registered.certificate.recipients,
    )
    assert CertificateRevoked.model_validate_json(decided.model_dump_json()) == decided


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
    assert [type(each) for each in decision.events] == [StandingChanged]
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
    (decided,) = decide(again.state, result(key, confirmed(worse.request_id)), known, NOW).events
    assert isinstance(decided, CertificateRevoked)
    assert decided.reason is RevocationReason.KEY_EXPOSED


def test_crl_is_announced_by_whom_it_falls_to(known: Knowledge, registered: Registered, requested: Requested) -> None:
    key = requested().key()
    request_id = registered.revocation.request_id
    first = decide(registered, result(key, published(request_id, announce=True)), known, NOW)
    assert [type(each) for each in first.events] == [StandingChanged, CrlPublished, StandingsCounted, CrlPublished]
    assert [each.key() for each in first.events[1:]] == ["crl/test-ec/0", "standings/test-ec", "crl/test-ec/5"]
    late = decide(registered, result(key, published(uuid4(), announce=True)), known, NOW)
    assert [type(each) for each in late.events] == [CrlPublished, StandingsCounted, CrlPublished]


def test_D7_schedule_publishes_and_plans_the_next(known: Knowledge) -> None:
    due = decide(None, Due(uuid4(), SCHEDULE, "publish", NOW), known, NOW)
    assert due == Decision(None, intents=(Intent("publish", PublishOrder(issuer="test-ec")),))
    done = decide(None, result(SCHEDULE, published(None, partition=0, announce=True)), known, NOW)
    decided, counted, _ = done.events
    assert isinstance(decided, CrlPublished)
    assert decided.count == COUNT
    assert counted == StandingsCounted(issuer="test-ec", count=COUNT)
    assert decided.key() == SCHEDULE
    assert (decided.number, decided.entries, decided.next_update) == (7, 3, NOW + timedelta(hours=72))
    assert done.deadlines == (Deadline("publish", NOW + timedelta(hours=24)),)
