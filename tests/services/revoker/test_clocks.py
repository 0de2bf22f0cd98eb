"""D4, E2: the 24 hours of a revocation warn at half and nine tenths, and alarm once when they are over."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from figures import figure, figures_of
from servicecert_revoker.domain.certificates import Certificate
from servicecert_revoker.domain.decide import decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.status import CHANGE_CLOCK, CLOCK, Listed, Registered, Revoked, Valid
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.deadline import DeadlineKind, DeadlineMark, DeadlineWarned
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_worker.core.decider import Deadline, Due, Event
from services.revoker.stand import Stand, renewed

CASE = UUID("7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01")
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARKED = """
insert into parked (event_id, key, topic, partition, "offset", headers, type, culprit, reason, error, first_at, last_at)
values (gen_random_uuid(), 'k', 'requests', 0, 0, '[]', 'servicecert.revocation.requested.v1', false, 'x', '-', $1, $1)
"""
HALF, NINE_TENTHS, PASSED = SENT_AT + 12 * HOUR, SENT_AT + 21.6 * HOUR, SENT_AT + 24 * HOUR


def due(at: datetime) -> Due:
    return Due(uuid4(), str(CASE), CLOCK, at)


@pytest.mark.parametrize(
    ("now", "mark", "next"),
    [
        (HALF - timedelta(seconds=1), None, HALF),
        (HALF, DeadlineMark.HALF, NINE_TENTHS),
        (NINE_TENTHS, DeadlineMark.NINE_TENTHS, PASSED),
        (PASSED, DeadlineMark.PASSED, None),
        (PASSED + 100 * HOUR, DeadlineMark.PASSED, None),
    ],
)
@pytest.mark.parametrize("kind", [Registered, Listed])
def test_D4_E2_each_mark_is_told_and_only_the_last_of_those_that_nobody_saw(
    known: Knowledge,
    registered: Registered,
    kind: type[Registered | Listed],
    now: datetime,
    mark: DeadlineMark | None,
    next: datetime | None,
) -> None:
    status = kind(registered.certificate, registered.revocation)
    decision = decide(status, due(now), known, now)
    assert decision.state is status
    warned = (
        ()
        if mark is None
        else (DeadlineWarned(case_id=CASE, kind=DeadlineKind.REVOCATION, mark=mark, since=SENT_AT, until=PASSED),)
    )
    assert decision.events == warned
    assert decision.deadlines == (() if next is None else (Deadline(CLOCK, next),))
    assert [intent.kind for intent in decision.intents] == (["alarm"] if mark is DeadlineMark.PASSED else [])


def test_D4_clock_of_what_is_not_to_be_revoked_or_is_revoked_tells_nothing(
    known: Knowledge, certificate: Certificate, registered: Registered
) -> None:
    for status in (Valid(certificate), Revoked(certificate, registered.revocation), None):
        decision = decide(status, due(PASSED), known, PASSED)
        assert (decision.events, decision.intents, decision.deadlines) == ((), (), ())


def test_D4_request_that_comes_late_has_less_time_and_an_exposed_key_its_own(
    known: Knowledge,
    certificate: Certificate,
    requested: Callable[..., RevocationRequested],
    event: Callable[..., Event],
) -> None:
    late = SENT_AT + 20 * HOUR
    first = decide(Valid(certificate), event(requested(), late), known, late)
    assert first.deadlines == (Deadline(CLOCK, HALF),), "it is checked at once, and warns of the time that has passed"
    request = requested(reason=RevocationReason.KEY_EXPOSED, sent_at=late)
    worse = decide(first.state, event(request, late), known, late)
    assert worse.deadlines == (Deadline(CHANGE_CLOCK, late + 12 * HOUR),), "the first clock goes on as it was"


async def test_D4_E2_breach_is_told_once_by_several_revokers_and_after_all_were_down(
    pool, known: Knowledge, issued: CertificateIssued, requested, caplog: pytest.LogCaptureFixture
) -> None:
    one = Stand(pool, known, now=NOW)
    await one.happen(Event(uuid4(), issued.key(), issued, SENT_AT - HOUR))
    await one.happen(Event(uuid4(), str(CASE), requested(), SENT_AT))
    await one.read_outbox()
    shown = await figures_of(pool, PASSED + HOUR)
    assert shown["servicecert_revocations"] == {"open": 1, "late": 1}
    assert shown["servicecert_revocation_oldest_seconds"] == {"": 25 * 3600}
    # One that is parked waits as long as the certificate does that it is behind.
    await pool.execute(PARKED, SENT_AT - HOUR)
    shown = await figures_of(pool, PASSED + HOUR)
    assert shown["servicecert_revocations"] == {"open": 2, "late": 2}
    assert shown["servicecert_revocation_oldest_seconds"] == {"": 26 * 3600}
    await pool.execute("delete from parked")
    # The CRL could not be published; everybody was down over the marks, and then two look at once.
    others = [renewed(one, now=PASSED + HOUR) for _ in range(2)]
    rows = await pool.fetch("select id, key, kind, at from deadlines")
    for other in others:
        await other.happen(*(Due(row["id"], row["key"], row["kind"], row["at"]) for row in rows))
    with caplog.at_level(logging.ERROR):
        for other in others:
            alarms = [task for task in other.tasks if task.kind == "alarm"]
            await other.service.effects["alarm"].do(alarms)
    assert [each.mark for each in await others[0].read_outbox() if isinstance(each, DeadlineWarned)] == [
        DeadlineMark.PASSED
    ]
    assert caplog.text.count("relying parties cannot see it") == 1
    # Once relying parties can see it, the clock stops.
    await one.settled()
    assert await one.standings() == {"revoked": 1}
    assert await pool.fetchval("select count(*) from deadlines") == 0
    assert await figure(pool, PASSED + HOUR, "revocations") == {"open": 0, "late": 0}
    assert await one.parked() == 0
