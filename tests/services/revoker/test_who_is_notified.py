"""D5, D3: who asked for a revocation gets the mail beside the recipients, each address once, also who asks later."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from databases import administer
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.requests import MOST_REQUESTERS
from servicecert_revoker.domain.status import CHANGE_CLOCK, CLOCK, Revoked
from servicecert_revoker.ocsp.domain.standings import Standings
from servicecert_schemas.certificate import CertificateIssued, Recipient, RecipientRole
from servicecert_schemas.codec import decode, to_record
from servicecert_schemas.deadline import DeadlineMark, DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import (
    CertificateRevoked,
    Notify,
    RevocationReason,
    RevocationRegistered,
    RevocationRequested,
    StandingChanged,
)
from servicecert_schemas.values import Language
from servicecert_worker.core.decider import Event
from services.revoker.conftest import Pool
from services.revoker.stand import Stand

Requested = Callable[..., RevocationRequested]

CASE = "7d2c1c52-1f0e-4d1e-9a44-0c2f8f2f6a01"
ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXPOSED = RevocationReason.KEY_EXPOSED
ORDERER = "a@example.fi"


@pytest.fixture
async def stand(pool: Pool, known: Knowledge, issued: CertificateIssued) -> Stand:
    stand = Stand(pool, known, now=NOW)
    await stand.happen(Event(uuid4(), issued.key(), issued, ISSUED_AT))
    await stand.read_outbox()
    return stand


def mails(events: list[EventData]) -> list[tuple[str, list[str]]]:
    return [
        (each.reason, [to.email for to in each.recipients]) for each in events if isinstance(each, CertificateRevoked)
    ]


async def ask(stand: Stand, request: RevocationRequested) -> list[EventData]:
    await stand.happen(Event(uuid4(), CASE, request, stand.now))
    return await stand.settled()


def notify(email: str, language: Language | None = None) -> Notify:
    return Notify(email=email, language=language)


@pytest.mark.parametrize(
    "typed", [" colleague@Example.FI ", "\ufeffcol\u200bleague@Exam\u00adple.FI\u2069\u200e\u00a0"]
)
async def test_D5_requester_and_recipients_get_the_mail_the_requester_in_the_own_language(
    stand: Stand, requested: Requested, typed: str
) -> None:
    events = await ask(stand, requested(notify=notify(typed, Language.SWEDISH)))
    (revoked,) = [each for each in events if isinstance(each, CertificateRevoked)]
    assert revoked.language is Language.FINNISH
    assert revoked.recipients == (
        Recipient(role=RecipientRole.ORDERER, email=ORDERER, name="A"),
        Recipient(role=RecipientRole.REQUESTER, email="colleague@example.fi", language=Language.SWEDISH),
    )


async def test_D5_requester_who_is_a_recipient_gets_one_mail_in_the_own_language(
    stand: Stand, requested: Requested
) -> None:
    events = await ask(stand, requested(notify=notify("a@EXAMPLE.fi", Language.ENGLISH)))
    (revoked,) = [each for each in events if isinstance(each, CertificateRevoked)]
    assert [(to.role, to.language) for to in revoked.recipients] == [(RecipientRole.ORDERER, Language.ENGLISH)]


@pytest.mark.parametrize(
    "written",
    [
        {"email": "no address", "language": "sv"},
        {"email": "", "language": "sv"},
        {"email": "x@" + "y" * 400, "language": "sv"},
        {"email": "x" * 501, "language": "sv"},
        {"email": 7, "language": "sv"},
        {"language": "sv"},
        {},
        "a@b.example",
        None,
    ],
)
async def test_D5_wrong_address_never_stops_a_revocation(stand: Stand, requested: Requested, written: Any) -> None:
    made = to_record(requested(), source="/e-service", id=uuid4(), time=NOW)
    value = made.value.replace(b'"notify":null', b'"notify":' + json.dumps(written).encode())
    assert b'"notify":null' not in value or written is None
    _, request = decode(made.topic, made.key, made.headers, value)
    assert isinstance(request, RevocationRequested)
    assert mails(await ask(stand, request)) == [(RevocationReason.NO_LONGER_NEEDED, [ORDERER])]


@pytest.mark.parametrize("language", ["se", "", "x" * 300, 7, None])
async def test_D5_unknown_language_leaves_the_address(stand: Stand, requested: Requested, language: Any) -> None:
    made = to_record(requested(notify=notify("b@example.fi")), source="/e-service", id=uuid4(), time=NOW)
    written = f'"language":{json.dumps(language)}'.encode()
    _, request = decode(made.topic, made.key, made.headers, made.value.replace(b'"language":null', written))
    assert isinstance(request, RevocationRequested)
    (revoked,) = [each for each in await ask(stand, request) if isinstance(each, CertificateRevoked)]
    assert [(to.email, to.language) for to in revoked.recipients] == [(ORDERER, None), ("b@example.fi", None)]


async def test_D3_D5_who_asks_again_gets_the_first_result_and_the_mail_once(stand: Stand, requested: Requested) -> None:
    first = requested(notify=notify("b@example.fi"))
    await ask(stand, first)
    again = requested(notify=notify("c@example.fi"), sent_at=SENT_AT + HOUR)
    events = await ask(stand, again)
    answer, told = events
    assert isinstance(answer, RevocationRegistered)
    assert (answer.request_id, answer.requested_at, answer.due) == (again.request_id, SENT_AT, SENT_AT + 24 * HOUR)
    assert isinstance(told, CertificateRevoked)
    assert ([to.email for to in told.recipients], told.request_id) == (["c@example.fi"], again.request_id)
    assert (told.requested_at, told.revoked_at, told.crl_number) == (SENT_AT, NOW, 1)
    for address in ("c@example.fi", "b@EXAMPLE.fi", ORDERER):
        assert mails(await ask(stand, requested(notify=notify(address)))) == []


async def test_D3_D5_only_so_many_of_those_who_ask_again_get_a_mail(stand: Stand, requested: Requested) -> None:
    mailed = [
        mails(await ask(stand, requested(notify=notify(f"r{number}@example.fi"))))
        for number in range(MOST_REQUESTERS + 3)
    ]
    assert [bool(each) for each in mailed] == [True] * MOST_REQUESTERS + [False] * 3


async def test_D3_D5_who_asks_before_the_crl_is_published_gets_the_same_mail(
    stand: Stand, requested: Requested
) -> None:
    for address in ("b@example.fi", "c@example.fi"):
        await stand.happen(Event(uuid4(), CASE, requested(notify=notify(address)), NOW))
    assert mails(await stand.settled()) == [
        (RevocationReason.NO_LONGER_NEEDED, [ORDERER, "b@example.fi", "c@example.fi"])
    ]


async def test_D3_D4_D5_exposed_key_has_its_own_clock_and_its_own_mail_after_the_crl(
    stand: Stand, requested: Requested
) -> None:
    await ask(stand, requested(notify=notify("b@example.fi")))
    later = stand.now = NOW + 30 * HOUR
    worse = requested(reason=EXPOSED, notify=notify("c@example.fi"), sent_at=later)
    await stand.happen(Event(uuid4(), CASE, worse, later))
    (answer, *_) = await stand.read_outbox()
    assert isinstance(answer, RevocationRegistered)
    assert (answer.requested_at, answer.due) == (later, later + 24 * HOUR)
    stand.now = later + 25 * HOUR
    await stand.wake()
    warned = [each for each in await stand.read_outbox() if isinstance(each, DeadlineWarned)]
    assert [(each.mark, each.since, each.until) for each in warned] == [(DeadlineMark.PASSED, later, later + 24 * HOUR)]
    assert [task.kind for task in stand.tasks].count("alarm") == 1
    events = await stand.settled()
    assert mails(events) == [(EXPOSED, [ORDERER, "c@example.fi"])], "whoever had the first mail has no second one"
    assert await stand.pool.fetchval("select count(*) from deadlines") == 0
    (revoked,) = [each for each in events if isinstance(each, CertificateRevoked)]
    assert (revoked.requested_at, revoked.revoked_at) == (later, NOW), "the date of revocation never changes"


async def test_D3_D4_overriding_request_leaves_the_first_clock_as_it_is(stand: Stand, requested: Requested) -> None:
    await stand.happen(Event(uuid4(), CASE, requested(notify=notify("b@example.fi")), NOW))
    stand.now = later = NOW + HOUR
    await stand.happen(Event(uuid4(), CASE, requested(reason=EXPOSED, sent_at=later), later))
    rows = await stand.pool.fetch("select kind, at from deadlines order by at")
    assert [(row["kind"], row["at"]) for row in rows] == [
        (CLOCK, SENT_AT + 12 * HOUR),
        (CHANGE_CLOCK, later + 12 * HOUR),
    ]
    assert mails(await stand.settled()) == [(EXPOSED, [ORDERER, "b@example.fi"])]
    assert await stand.pool.fetchval("select count(*) from deadlines") == 0


async def test_D3_date_of_suspicion_moves_earlier_and_never_later(
    stand: Stand, requested: Requested, issued: CertificateIssued
) -> None:
    dates = [None, 40, 50, 30, 45, None, 30, -600]
    listed, standings = [], Standings()
    for minutes in dates:
        since = None if minutes is None else ISSUED_AT + timedelta(minutes=minutes)
        for each in await ask(stand, requested(reason=EXPOSED, exposed_since=since)):
            if isinstance(each, StandingChanged):
                standings.take(each, NOW)
        said = standings.of(issued.issuer, int(issued.serial, 16))
        on_crl = await stand.pool.fetchval("select invalid_since from revocations")
        assert getattr(said, "invalid_since", None) == on_crl, "OCSP says what the CRL does"
        listed.append(on_crl)
    first, second, third = (ISSUED_AT + timedelta(minutes=minutes) for minutes in (40, 30, 0))
    assert listed == [None, first, first, second, second, second, second, third]
    assert issued.not_before == third, "what is before the certificate's first moment is kept as that moment"


async def test_D5_E3_erased_case_keeps_no_address_of_who_asked(stand: Stand, requested: Requested) -> None:
    await ask(stand, requested(notify=notify("colleague@example.fi")))
    text = "select count(*) from statuses as s where s::text like '%colleague@example.fi%'"
    assert await stand.pool.fetchval(text) == 1
    await administer(stand.pool, f"select erase_case('{CASE}')")
    assert await stand.pool.fetchval(text) == 0


async def test_D5_revocation_of_an_earlier_version_stays_readable(stand: Stand, requested: Requested) -> None:
    await ask(stand, requested())
    await administer(
        stand.pool,
        "set session_replication_role = replica;"
        "update statuses set listing = null, certificate = certificate - 'not_before'",
    )
    assert mails(await ask(stand, requested(notify=notify("b@example.fi")))) == [], "its CRL is not known"
    async with stand.pool.acquire() as connection:
        (stored,) = await stand.service.tables.store.load(connection, [CASE])
    assert isinstance(stored.state, Revoked)
    assert mails(await ask(stand, requested(reason=EXPOSED))) == [(EXPOSED, [ORDERER])]


def test_D5_bound_leaves_room_for_every_recipient() -> None:
    assert 10 - len(set(RecipientRole) - {RecipientRole.REQUESTER}) >= MOST_REQUESTERS
