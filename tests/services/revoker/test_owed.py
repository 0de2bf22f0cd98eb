"""What a certificate owes to the revoker's topics: what was published about it, so that nobody is notified twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import pytest
from servicecert_revoker.domain.certificates import Void
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.owed import owed
from servicecert_revoker.domain.status import Awaited, Registered, Revocation, Revoked
from servicecert_revoker.operator.owing import BOOKS
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import (
    CertificateRevoked,
    KeyCompromised,
    Notify,
    RevocationReason,
    RevocationRegistered,
    RevocationRequested,
    StandingChanged,
)
from servicecert_worker.core.decider import Event
from services.revoker.conftest import CASE, Pool
from services.revoker.stand import Stand, another

D = TypeVar("D", bound=EventData)
Requested = Callable[..., RevocationRequested]

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXPOSED = RevocationReason.KEY_EXPOSED


@pytest.fixture
def stand(pool: Pool, known: Knowledge) -> Stand:
    return Stand(pool, known, most=3, now=NOW)


def of(events: list[EventData], kind: type[D]) -> list[D]:
    return [each for each in events if isinstance(each, kind)]


async def made_again(pool: Pool) -> list[EventData]:
    """Return all that the tables owe."""
    events: list[EventData] = []
    async with pool.acquire() as connection:
        for books in BOOKS:
            keys = await books.keys(connection, "", datetime.min.replace(tzinfo=UTC), 100)
            events += [each.data for each in await books.events(connection, keys)]
    return events


async def test_D8_I7_standing_and_revocation_are_owed_as_they_were_published(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    await stand.happen(Event(uuid4(), issued.key(), issued, issued.not_before))
    assert await made_again(stand.pool) == await stand.settled()
    await stand.happen(requested(notify=Notify(email="b@example.fi")))
    registered = await stand.read_outbox()
    assert of(await made_again(stand.pool), RevocationRegistered) == registered
    events = await stand.settled()
    assert await made_again(stand.pool) == events
    assert [type(each) for each in events] == [StandingChanged, CertificateRevoked]


async def test_D5_who_asked_later_and_got_a_mail_of_their_own_is_not_named_again(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    await stand.happen(issued)
    await stand.happen(requested(notify=Notify(email="b@example.fi")))
    (first,) = of(await stand.settled(), CertificateRevoked)
    await stand.happen(requested(notify=Notify(email="c@example.fi")))
    assert of(await stand.settled(), CertificateRevoked)
    assert of(await made_again(stand.pool), CertificateRevoked) == [first]


async def test_D3_of_a_changed_entry_the_request_is_owed_until_a_crl_shows_it(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    await stand.happen(issued)
    await stand.happen(requested())
    (first,) = of(await stand.settled(), RevocationRegistered)
    stand.now += HOUR
    await stand.happen(requested(reason=EXPOSED, sent_at=stand.now))
    again = await made_again(stand.pool)
    (registered,) = of(again, RevocationRegistered)
    assert (registered.reason, registered.requested_at) == (EXPOSED, first.requested_at), "the first clock runs"
    assert of(again, CertificateRevoked) == []
    (revoked,) = of(await stand.settled(), CertificateRevoked)
    assert of(await made_again(stand.pool), CertificateRevoked) == [revoked]


def test_F2_B2_void_and_second_certificates_have_no_events_of_a_case(registered: Registered) -> None:
    entry: Revocation = registered.revocation
    void = Void("test-ec", "0b", NOW + HOUR)
    assert list(owed(CASE, Awaited(()))) == []
    assert list(owed(CASE, Registered(void, entry))) == [], "no published CRL lists it"
    assert [type(each.data) for each in owed(CASE, Revoked(void, entry))] == [StandingChanged]
    unlisted = owed(CASE, Revoked(registered.certificate, entry))
    assert [type(each.data) for each in unlisted] == [StandingChanged], "an earlier version stored no listing"


async def test_D6_requests_of_the_authority_that_nobody_read_are_made_again(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    first, second, expired = another(issued, 1), another(issued, 2), another(issued, 3, not_after=NOW)
    await stand.happen(first, second, expired)
    await stand.happen(requested(case_id=first.case_id, serial_as_typed=first.serial, reason=EXPOSED))
    await stand.act()
    lost = "delete from outbox where topic = 'revocations' returning payload"
    (request,) = [RevocationRequested.model_validate_json(row["payload"]) for row in await stand.pool.fetch(lost)]
    await stand.settled()
    assert await stand.standings() == {"revoked": 1, "valid": 2}
    again = await made_again(stand.pool)
    assert [each.key_sha256 for each in of(again, KeyCompromised)] == [first.key_sha256]
    (requested_again,) = of(again, RevocationRequested)
    assert requested_again.request_id == request.request_id
    await stand.happen(requested_again)
    await stand.settled()
    assert await stand.standings() == {"revoked": 2, "valid": 1}
    assert of(await made_again(stand.pool), RevocationRequested) == []


async def test_D6_what_waits_for_an_operator_is_not_ordered_by_making_it_again(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    certificates = [another(issued, number) for number in range(1, 6)]
    await stand.happen(*certificates)
    await stand.happen(
        requested(case_id=certificates[0].case_id, serial_as_typed=certificates[0].serial, reason=EXPOSED)
    )
    await stand.settled()
    assert await stand.standings() == {"valid": 4, "revoked": 1}
    assert of(await made_again(stand.pool), RevocationRequested) == []
