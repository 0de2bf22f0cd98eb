"""Trace contexts: where a trace begins, whose flag counts, and which ids follow from what a span is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_schemas.event import EventData
from servicecert_schemas.revocation import RevocationReason, RevocationRequested
from servicecert_worker.core import traces
from servicecert_worker.core.decider import Deadline, Due, Event, Happened, Intent
from servicecert_worker.core.decider import Decision as Decided
from servicecert_worker.core.fold import Folded, fold
from servicecert_worker.core.record import Arrival, Poison, Record, arrive
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.observe import spans
from servicecert_worker.runtime.turn import TurnResult
from toy.service import Act, Tally
from toy.stand import ACTOR

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"
CASE = str(UUID(int=7))
RECORD = Record("applications", 0, 0, CASE.encode(), (), b"{}", NOW)


def test_a_trace_that_nobody_gave_is_named_after_the_case() -> None:
    one, again, other = (traces.admitted(None, name, lambda *_: True) for name in (CASE, CASE, "another"))
    assert one == again
    assert traces.trace_of(one) != traces.trace_of(other)
    assert traces.is_sampled(one)
    assert not traces.has_parent(one)


def test_samplers_by_ratio_take_their_part_of_the_cases() -> None:
    half = TraceIdRatioBased(0.5)
    names = [str(UUID(int=n, version=4)) for n in range(2_000)]
    ids = [int(traces.trace_of(traces.root(name, sampled=False)), 16) for name in names]
    sampled = [id for id in ids if half.should_sample(None, id, "").decision is Decision.RECORD_AND_SAMPLE]
    assert 900 < len(sampled) < 1_100


@pytest.mark.parametrize(
    ("given", "sampled", "expected"),
    [
        (GIVEN, True, GIVEN),
        (GIVEN, False, GIVEN[:-1] + "0"),
        (GIVEN[:-2] + "02", True, GIVEN[:-2] + "03"),
        (GIVEN[:-2] + "03", False, GIVEN[:-2] + "02"),
    ],
)
def test_the_sampler_decides_the_flag_and_nothing_else(given: str, sampled: bool, expected: str) -> None:
    assert traces.admitted(given, CASE, lambda *_: sampled) == expected


def test_without_a_sampler_the_flag_stays_as_it_was_given() -> None:
    assert traces.admitted(GIVEN, CASE, traces.as_given) == GIVEN
    assert traces.admitted(GIVEN[:-1] + "0", CASE, traces.as_given) == GIVEN[:-1] + "0"
    assert not traces.is_sampled(traces.admitted(None, CASE, traces.as_given))


@pytest.mark.parametrize("invalid", [f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-{'0' * 16}-01"])
def test_an_id_of_zeros_is_no_trace(invalid: str) -> None:
    """W3C Trace Context, 3.2.2.3 and 3.2.2.4."""
    assert traces.admitted(invalid, CASE, traces.as_given) == traces.root(CASE, sampled=False)


def test_a_handling_repeats_its_id_and_no_other_service_has_it() -> None:
    event = uuid4()
    contexts = [traces.handling(GIVEN, event, service) for service in ("intake", "intake", "issuer")]
    assert contexts[0] == contexts[1]
    assert len(set(contexts)) == 2
    assert {traces.trace_of(each or "") for each in contexts} == {TRACE}
    assert traces.handling(None, event, "intake") is None
    assert not traces.is_sampled(None)


def decided(happened: Happened, *events: EventData) -> Folded[Tally]:
    """Return what a service decides that publishes `events`, intends an act and sets a deadline."""

    def decide(state: Tally | None, _: Happened, _known: None, _now: datetime) -> Decided[Tally]:
        act = Intent("act", Act(case_id=CASE, number="1"))
        return Decided(state, events, (act,), (Deadline("wake", NOW),))

    item = Arrival(RECORD, happened) if isinstance(happened, Event) else happened
    return fold(decide, [item], {}, {}, None, NOW, "toy")


def test_what_follows_is_below_the_handling_of_its_cause() -> None:
    data = ApplicationWithdrawn(case_id=UUID(CASE), actor=ACTOR, reason="1")
    event = Event(uuid4(), CASE, data, NOW, None, GIVEN)
    folded = decided(event, data)
    handling = traces.handling(GIVEN, event.id, "toy")
    assert [each.traceparent for each in folded.published] == [handling]
    assert [each.traceparent for each in folded.intended] == [handling]
    assert [each.traceparent for each in folded.deadlines.values()] == [handling]


def test_a_revocation_that_a_service_requests_begins_a_trace_sampled_as_its_cause() -> None:
    request = RevocationRequested(
        case_id=UUID(CASE),
        actor=ACTOR,
        request_id=uuid4(),
        serial_as_typed="01",
        reason=RevocationReason.NO_LONGER_NEEDED,
        sent_at=NOW,
    )
    begun = traces.root(f"revocation/{request.request_id}", sampled=True)
    event = Event(uuid4(), CASE, request, NOW, None, GIVEN)
    folded = decided(event, request)
    assert [each.traceparent for each in folded.published] == [begun]
    turn = TurnResult((), 1, frozenset(), (), (), decided=tuple(folded.decided))
    (span,) = spans.handled("toy", "toy", turn, [], 1, 2)
    assert list(span.links) == [begun]
    assert span.context == traces.handling(GIVEN, event.id, "toy")
    untraced = Event(event.id, CASE, request, NOW)
    assert [each.traceparent for each in decided(untraced, request).published] == [None]


def test_what_is_scheduled_for_ever_begins_a_trace_each_time() -> None:
    folded = decided(Due(uuid4(), "crl/a-ca/0", "publish", NOW, GIVEN))
    assert [each.traceparent for each in folded.deadlines.values()] == [None]


@pytest.mark.parametrize(("key", "name"), [(CASE.encode(), CASE), (b"a person", None)])
def test_a_record_that_is_no_event_is_in_its_cases_trace_or_in_one_of_its_own(key: bytes, name: str | None) -> None:
    arrival = arrive(Record("applications", 0, 0, key, _headers(), b"{}", NOW), Verifier({}))
    assert isinstance(arrival.what, Poison)
    assert arrival.traceparent == traces.root(name or str(arrival.id), sampled=False)


def _headers() -> Sequence[tuple[str, bytes]]:
    return (("ce_specversion", b"1.0"), ("ce_type", ApplicationWithdrawn.TYPE.encode()))


def test_lines_name_the_trace_and_only_a_case() -> None:
    assert traces.log_fields(GIVEN, CASE) == {"trace": TRACE, "case": CASE}
    assert traces.log_fields(None, "a person") == {}
