"""What a case owes to the topic of notifications, and that an event made again under another id mails nothing (I9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from servicecert_notifier.domain.decide import decide
from servicecert_notifier.domain.ledger import Ledger
from servicecert_notifier.domain.owed import owed
from servicecert_notifier.domain.reminders import Prepared
from servicecert_notifier.domain.settling import NOTICE
from servicecert_notifier.domain.task import MailOutcome, MailState, Notice, NoticeKind
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.deadline import DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import CertificateRevoked
from servicecert_worker.core.decider import Due, Event, Result

AsEvent = Callable[..., Event]


@pytest.fixture
def ledger(as_event: AsEvent, issued: CertificateIssued, now: datetime) -> Ledger:
    state = decide(None, as_event(issued), Prepared(), now).state
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("state", "answer"),
    [(MailState.HANDED_OVER, "250"), (MailState.REFUSED, "550 5.1.1"), (MailState.GIVEN_UP, "451")],
)
def test_C3_the_outcome_of_a_mail_is_owed_as_it_was_published(
    ledger: Ledger, now: datetime, state: MailState, answer: str
) -> None:
    assert list(owed(ledger)) == [], "nothing is known of them yet"
    outcome = MailOutcome(
        mail_id=ledger.rows[0].mail_id, state=state, answer=answer, relay=None, attempts=2, at=now + timedelta(hours=1)
    )
    decision = decide(ledger, Result(uuid4(), str(ledger.case_id), "mail", outcome), Prepared(), now)
    assert decision.state is not None
    assert [each.data for each in owed(decision.state)] == list(decision.events)
    assert [each.at for each in owed(decision.state)] == [outcome.at]


def test_C3_of_a_bounced_mail_the_hand_over_and_the_bounce_are_owed(ledger: Ledger, now: datetime) -> None:
    mail_id = ledger.rows[0].mail_id
    outcome = MailOutcome(mail_id=mail_id, state=MailState.HANDED_OVER, answer="250 2.0.0", attempts=1, at=now)
    handed_over = decide(ledger, Result(uuid4(), str(ledger.case_id), "mail", outcome), Prepared(), now)
    notice = Notice(uuid4(), ledger.case_id, mail_id, NoticeKind.BOUNCE, "5.1.1", now + timedelta(hours=2))
    prepared = Prepared(notices={str(ledger.case_id): (notice,)})
    bounced = decide(handed_over.state, Due(uuid4(), str(ledger.case_id), NOTICE, now), prepared, now)
    assert bounced.state is not None
    assert [each.data for each in owed(bounced.state)] == [*handed_over.events, *bounced.events]


def test_E3_a_deferred_mail_that_was_erased_with_its_case_is_not_owed(ledger: Ledger, now: datetime) -> None:
    """Intake has no such case any more."""
    row = replace(
        ledger.rows[0],
        state=MailState.GIVEN_UP,
        answer="451",
        attempts=3,
        tried_at=now,
        settled_at=now + timedelta(days=1),
    )
    assert list(owed(ledger.with_row(row))) == []


@pytest.mark.parametrize("name", ["issued", "revoked", "returned", "warned"])
def test_I9_an_event_that_is_made_again_mails_nothing(
    request: pytest.FixtureRequest, as_event: AsEvent, now: datetime, returned: CaseChanged, name: str
) -> None:
    data: CertificateIssued | CertificateRevoked | CaseChanged | DeadlineWarned = request.getfixturevalue(name)
    before = decide(None, as_event(returned), Prepared(), now).state if name == "warned" else None
    first = decide(before, as_event(data), Prepared(), now)
    assert first.intents or name == "warned"
    if name == "warned":
        first = decide(first.state, Due(uuid4(), data.key(), "remind", now), Prepared(), now)
        assert first.intents, "the reminder"
    again: EventData = data
    later = decide(first.state, replace(as_event(again), id=uuid4()), Prepared(), now)
    assert later.intents == ()
    if name == "warned":
        reminded = decide(later.state, Due(uuid4(), data.key(), "remind", now), Prepared(), now)
        assert reminded.intents == ()
