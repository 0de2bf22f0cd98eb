"""Requests that come before their certificate: they wait, and each is answered in time (D4, I12)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from servicecert_revoker.domain.decide import State, decide
from servicecert_revoker.domain.knowledge import Knowledge
from servicecert_revoker.domain.requests import MOST_PENDING
from servicecert_revoker.domain.status import Asked, Awaited, Registered
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.revocation import RevocationRefused, RevocationRegistered, RevocationRequested, StandingChanged
from servicecert_worker.core.decider import Deadline, Decision, Due, Event

Requested = Callable[..., RevocationRequested]
MakeAsked = Callable[..., Asked]
MakeEvent = Callable[..., Event]

ISSUED_AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENT_AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
WRITTEN_AT = datetime(2026, 11, 24, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 10, 2, 3, tzinfo=UTC)


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
    assert [each.TYPE for each in learnt.events] == [
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
    assert [each.code for each in decision.events if isinstance(each, RevocationRefused)] == ["no-such-certificate"] * 2


def test_waiting_requests_are_bounded(
    known: Knowledge, asked: MakeAsked, requested: Requested, event: MakeEvent
) -> None:
    full = Awaited(tuple(asked() for _ in range(MOST_PENDING)))
    decision = decide(full, event(requested()), known, NOW)
    assert decision.state is full
    assert [type(each) for each in decision.events] == [RevocationRefused]


def test_I12_order_of_request_and_certificate_does_not_matter(
    known: Knowledge, issued: CertificateIssued, requested: Requested, event: MakeEvent
) -> None:
    happened = [event(issued, ISSUED_AT), event(requested())]

    def outcome(events: list[Event]) -> tuple[State | None, list[Any], list[Any]]:
        state: State | None = None
        decided: list[Any] = []
        intents: list[Any] = []
        for each in events:
            decision = decide(state, each, known, NOW)
            state = decision.state
            decided += decision.events
            intents += decision.intents
        return state, decided, intents

    assert outcome(happened) == outcome(happened[::-1])
