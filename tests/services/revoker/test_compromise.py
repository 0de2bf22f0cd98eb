"""D6: an exposed key revokes all its certificates, also one issued at the same moment, unless there are too many."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import administer
from servicecert_revoker.domain.authority_requests import CascadeFound, Item, cascade_request
from servicecert_revoker.domain.decide import decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import Registered
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import (
    CertificateRevoked,
    KeyCompromised,
    RevocationReason,
    RevocationRefused,
    RevocationRequested,
)
from servicecert_worker.core.decider import Result
from services.revoker.stand import Stand, another, renewed

NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
KEY, OTHER_KEY = "1" * 64, "2" * 64
Requested = Callable[..., RevocationRequested]


def exposed(requested: Requested, certificate: CertificateIssued) -> RevocationRequested:
    return requested(
        case_id=certificate.case_id, serial_as_typed=certificate.serial, reason=RevocationReason.KEY_EXPOSED
    )


@pytest.fixture
def stand(pool, known: Knowledge) -> Stand:
    return Stand(pool, known, most=3, now=NOW)


def test_D6_beyond_the_maximum_nothing_is_ordered_and_an_order_repeats_its_ids() -> None:
    items = tuple(Item(UUID(int=number), "account-1", f"{number:02x}") for number in range(3))
    assert CascadeFound.of(KEY, items, 3) == CascadeFound(key_sha256=KEY, others=items)
    assert CascadeFound.of(KEY, items, 2) == CascadeFound(key_sha256=KEY, stopped=True)
    found = CascadeFound.of(KEY, items, 3).others
    first, again = ([cascade_request(KEY, it, NOW + timedelta(hours=hours)) for it in found] for hours in (0, 1))
    assert [each.request_id for each in first] == [each.request_id for each in again]
    assert len({each.request_id for each in first}) == 3


async def test_D6_every_other_valid_certificate_of_an_exposed_key_is_revoked(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    same = [another(issued, number) for number in (1, 2, 3)]
    theirs = another(issued, 4, account_id="account-2", issuer="test-rsa")
    free = another(issued, 5, key_sha256=OTHER_KEY)
    expired = another(issued, 6, not_after=NOW - timedelta(days=1))
    await stand.happen(*same, theirs, free, expired)
    await stand.happen(exposed(requested, same[0]))
    events = await stand.settled()
    assert [each.key_sha256 for each in events if isinstance(each, KeyCompromised)] == [KEY]
    revoked = [each for each in events if isinstance(each, CertificateRevoked)]
    assert {each.case_id for each in revoked} == {each.case_id for each in (*same, theirs)}
    assert {each.reason for each in revoked} == {RevocationReason.KEY_EXPOSED}
    assert len(revoked) == 4
    assert await stand.standings() == {"valid": 2, "revoked": 4}
    assert not [each for each in events if isinstance(each, RevocationRefused)]
    await stand.happen(exposed(requested, same[1]))
    again = await stand.settled()
    assert not [each for each in again if isinstance(each, KeyCompromised | CertificateRevoked)], "once is enough"
    assert await stand.parked() == 0


async def test_D6_certificate_that_is_issued_later_with_an_exposed_key_is_revoked_at_once(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    first, later, outlived = another(issued, 1), another(issued, 2), another(issued, 3, not_after=NOW)
    await stand.happen(first)
    await stand.happen(exposed(requested, first))
    await stand.settled()
    stand.now += timedelta(hours=1)
    await stand.happen(later, outlived)
    events = [each for each in await stand.settled() if isinstance(each, CertificateRevoked)]
    assert [(each.case_id, each.reason) for each in events] == [(later.case_id, RevocationReason.KEY_EXPOSED)]
    assert await stand.standings() == {"revoked": 2, "valid": 1}


@pytest.mark.parametrize("order", ["exposed first", "issued first", "at once"])
async def test_D6_exposed_key_of_an_expired_certificate_takes_those_that_are_valid_with_it(
    stand: Stand, issued: CertificateIssued, requested: Requested, order: str
) -> None:
    expired, renewal = another(issued, 1), another(issued, 2)
    await stand.happen(expired)
    stand.now = expired.not_after + timedelta(days=1)
    renewal = renewal.model_copy(update={"not_after": stand.now + timedelta(days=700)})
    request = exposed(requested, expired)
    other = renewed(stand)
    if order == "issued first":
        await stand.happen(renewal)
    await stand.happen(request)
    if order == "at once":
        await asyncio.gather(stand.act(), other.happen(renewal))
        stand.tasks += other.tasks
    events = await stand.settled()
    if order == "exposed first":
        await stand.happen(renewal)
        events += await stand.settled()
    assert [each.code for each in events if isinstance(each, RevocationRefused)] == ["certificate-expired"]
    assert {each.key_sha256 for each in events if isinstance(each, KeyCompromised)} == {KEY}
    revoked = [each for each in events if isinstance(each, CertificateRevoked)]
    assert [(each.case_id, each.reason) for each in revoked] == [(renewal.case_id, RevocationReason.KEY_EXPOSED)]
    assert await stand.standings() == {"valid": 1, "revoked": 1}
    await stand.happen(exposed(requested, expired).model_copy(update={"request_id": uuid4()}))
    again = await stand.settled()
    assert not [each for each in again if isinstance(each, KeyCompromised)], "once is enough"
    assert await stand.parked() == 0


@pytest.mark.parametrize("order", ["exposed first", "issued first", "at once"])
async def test_D6_whichever_turn_comes_first_the_certificate_does_not_slip_through(
    stand: Stand, issued: CertificateIssued, requested: Requested, order: str
) -> None:
    first, second = another(issued, 1), another(issued, 2)
    await stand.happen(first)
    other = renewed(stand)
    request = exposed(requested, first)
    if order == "exposed first":
        await stand.happen(request)
        await other.happen(second)
    elif order == "issued first":
        await other.happen(second)
        await stand.happen(request)
    else:
        await asyncio.gather(stand.happen(request), other.happen(second))
    stand.tasks += other.tasks
    await stand.settled()
    assert await stand.standings() == {"revoked": 2}
    assert await stand.parked() == 0


async def test_D6_too_many_others_wait_for_an_operator(
    stand: Stand, issued: CertificateIssued, requested: Requested, caplog: pytest.LogCaptureFixture
) -> None:
    certificates = [another(issued, number) for number in range(1, 6)]
    await stand.happen(*certificates)
    with caplog.at_level(logging.ERROR):
        await stand.happen(exposed(requested, certificates[0]))
        await stand.settled()
        # The act is done again by another revoker: it stops at the same proposal.
        await stand.service.effects["cascade"].do([task for task in stand.tasks if task.kind == "cascade"])
    assert await stand.standings() == {"valid": 4, "revoked": 1}
    assert caplog.text.count("too many to revoke without an operator") == 1
    (waiting,) = await stand.pool.fetch("select id, kind, key_sha256, total, confirmed_by from proposals")
    assert (waiting["kind"], waiting["key_sha256"], waiting["total"], waiting["confirmed_by"]) == (
        "cascade",
        KEY,
        4,
        None,
    )
    assert await stand.wake() == 0, "nothing of it is due"


async def test_D6_compromised_key_stays_so(stand: Stand, issued: CertificateIssued, requested: Requested) -> None:
    await stand.happen(first := another(issued, 1))
    await stand.happen(exposed(requested, first))
    (row,) = await stand.pool.fetch("select key_sha256, source from compromised_keys")
    assert (row["key_sha256"], row["source"]) == (KEY, str(first.case_id))
    for statement in ("delete from compromised_keys", "update compromised_keys set source = 'x'"):
        with pytest.raises(asyncpg.CheckViolationError):
            await administer(stand.pool, statement)


async def test_D6_nobody_can_say_by_a_role_that_a_key_is_compromised(
    stand: Stand, issued: CertificateIssued, requested: Requested
) -> None:
    from servicecert_schemas.event import Role

    await stand.happen(first := another(issued, 1))
    await stand.happen(exposed(requested, first).model_copy(update={"actor": requested(role=Role.OPERATOR).actor}))
    (refused,) = [each for each in await stand.settled() if isinstance(each, RevocationRefused)]
    assert refused.code == "not-confirmed"
    assert await stand.standings() == {"valid": 1}


def test_D6_what_a_search_found_is_ordered_whatever_state_asked_for_it(
    known: Knowledge, registered: Registered
) -> None:
    item = Item(UUID(int=3), "account-2", "0a")
    result = Result(uuid4(), str(UUID(int=1)), "cascade", CascadeFound(key_sha256=KEY, others=(item,)))
    for state in (registered, None):
        (order,) = decide(state, result, known, NOW).events
        assert isinstance(order, RevocationRequested)
        assert (order.case_id, order.actor.account_id, order.serial_as_typed) == (item.case_id, "account-2", "0a")
