"""D6, E2: a stopped cascade has 24 hours until it is confirmed and done: with warnings, a breach, and an end."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from databases import administer
from figures import figure, figures_of
from servicecert_cli.operations import proposing
from servicecert_revoker.domain.authority_requests import proposal_key
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_worker.core.decider import Due
from services.revoker.conftest import Login, Pool
from services.revoker.stand import Stand, another, renewed

SECOND = timedelta(seconds=1)


@pytest.fixture
def stand(pool: Pool, known: Knowledge) -> Stand:
    return Stand(pool, known, most=3)


async def stopped(stand: Stand, issued: CertificateIssued, requested: Callable[..., RevocationRequested]) -> datetime:
    """Stop a cascade of five certificates, and return when its wait began."""
    certificates = [another(issued, number) for number in range(1, 7)]
    await stand.happen(*certificates)
    exposed = requested(case_id=certificates[0].case_id, serial_as_typed="01", reason=RevocationReason.KEY_EXPOSED)
    await stand.happen(exposed)
    await stand.settled()
    began: datetime = await stand.pool.fetchval("select proposed_at from proposals")
    return began


async def confirmation_clock(stand: Stand, *others: Stand) -> tuple[list[DeadlineWarned], int]:
    """Fire what is due at each revoker, and return the warnings of confirmations and the number of their alarms."""
    rows = await stand.pool.fetch("select id, key, kind, at from deadlines where at <= $1", stand.now)
    for each in (*others, stand):
        await each.happen(*(Due(row["id"], row["key"], row["kind"], row["at"]) for row in rows))
        if each is not stand:
            stand.tasks += each.tasks
            each.tasks = []
    warned = [each for each in await stand.read_outbox() if isinstance(each, DeadlineWarned)]
    alarms = [task for task in stand.tasks if task.kind == "alarm" and task.key.startswith("proposal/")]
    return [each for each in warned if each.kind is DeadlineKind.CONFIRMATION], len(alarms)


async def test_D6_E2_wait_for_a_confirmation_has_its_own_24_hours_with_warnings_and_breach(
    stand: Stand,
    issued: CertificateIssued,
    requested: Callable[..., RevocationRequested],
    caplog: pytest.LogCaptureFixture,
) -> None:
    began, hour = await stopped(stand, issued, requested), timedelta(hours=1)
    (waiting,) = await stand.pool.fetch("select id from proposals")
    marks: list[tuple[float, DeadlineMark]] = []
    alarmed = 0
    other = renewed(stand)
    for hours in (11.9, 12, 13, 21.6, 23, 24, 30):
        stand.now = other.now = began + hours * hour
        warned, alarmed = await confirmation_clock(stand, other)
        for each in warned:
            assert (each.since, each.until, each.proposal_id) == (began, began + 24 * hour, waiting["id"])
            assert each.case_id == another(issued, 2).case_id, "the first case that waits"
            marks.append((hours, each.mark))
        late = int(hours > 24)
        shown = await figures_of(stand.pool, stand.now)
        assert shown["servicecert_cascades"] == {"open": 1, "late": late}
        assert shown["servicecert_cascade_oldest_seconds"] == {"": pytest.approx(hours * 3600)}
    with caplog.at_level(logging.ERROR):
        await stand.settled()
    assert marks == [(12, DeadlineMark.HALF), (21.6, DeadlineMark.NINE_TENTHS), (24, DeadlineMark.PASSED)]
    assert alarmed == 1
    assert caplog.text.count("were to be revoked by") == 1
    assert f"`servicecert proposals show {waiting['id']}`" in caplog.text
    assert await stand.parked() == 0


async def test_D6_clock_that_is_checked_early_waits_for_its_first_mark(
    stand: Stand, issued: CertificateIssued, requested: Callable[..., RevocationRequested]
) -> None:
    began = await stopped(stand, issued, requested)
    await stand.pool.execute("update deadlines set at = $1", began)
    stand.now = began
    assert await confirmation_clock(stand) == ([], 0)
    assert await stand.pool.fetchval("select at from deadlines") == began + timedelta(hours=12)


@pytest.mark.parametrize("end", ["confirmed", "dropped", "expired"])
async def test_D6_clock_of_a_confirmation_ends_once_nothing_is_left_to_decide(
    stand: Stand,
    issued: CertificateIssued,
    login: Login,
    requested: Callable[..., RevocationRequested],
    end: str,
) -> None:
    began = await stopped(stand, issued, requested)
    (waiting,) = await stand.pool.fetch("select id from proposals")
    if end == "confirmed":
        async with login("bertil") as connection:
            assert await proposing.confirm(connection, waiting["id"])
        assert (await figure(stand.pool, stand.now, "cascades"))["open"] == 1, "confirmed is not yet revoked"
        stand.now = datetime.now(UTC) + SECOND
        while await stand.wake():
            await stand.settled()
            stand.now += SECOND
    elif end == "dropped":
        async with login("anna") as connection:
            assert await proposing.drop(connection, waiting["id"])
    else:
        expired = "jsonb_set(certificate, '{not_after}', to_jsonb(now() - interval '1 hour'))"
        await administer(
            stand.pool,
            "set session_replication_role = replica;"
            f"update statuses set certificate = {expired} where standing = 'valid'",
        )
    stand.now = began + timedelta(hours=13)
    assert await confirmation_clock(stand) == ([], 0)
    stand.now = began + timedelta(hours=25)
    assert await confirmation_clock(stand) == ([], 0)
    assert await figure(stand.pool, stand.now, "cascades") == {"open": 0, "late": 0}
    assert await figure(stand.pool, stand.now, "cascade_oldest_seconds") == {"": 0}


async def test_D6_clock_of_a_confirmation_goes_on_while_what_it_orders_is_unpublished(
    stand: Stand, issued: CertificateIssued, login: Login, requested: Callable[..., RevocationRequested]
) -> None:
    began = await stopped(stand, issued, requested)
    (waiting,) = await stand.pool.fetch("select id from proposals")
    async with login("bertil") as connection:
        assert await proposing.confirm(connection, waiting["id"])
    stand.now = datetime.now(UTC) + SECOND
    while await stand.wake():
        await stand.read_outbox()
        stand.now += SECOND
    assert await stand.standings() == {"registered": 5, "revoked": 1}
    stand.now = began + timedelta(hours=25)
    warned, alarms = await confirmation_clock(stand)
    assert ([each.mark for each in warned], alarms) == ([DeadlineMark.PASSED], 1)


async def test_D6_unconfirmed_cascade_orders_nothing_whatever_wakes_it(
    stand: Stand, issued: CertificateIssued, requested: Callable[..., RevocationRequested]
) -> None:
    await stopped(stand, issued, requested)
    (waiting,) = await stand.pool.fetch("select id from proposals")
    await administer(stand.pool, "update deadlines set kind = 'carry-out', at = now()")
    await stand.happen(Due(uuid4(), proposal_key(waiting["id"]), "carry-out", stand.now))
    stand.now = datetime.now(UTC) + SECOND
    await stand.wake()
    assert not [each for each in await stand.settled() if isinstance(each, RevocationRequested)]
    assert (await stand.standings())["valid"] == 5
