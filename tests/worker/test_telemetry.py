"""Traces are off by default and then cost nothing; on, they never hold up a worker, whatever the collector does."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from otlp_collector import Collector, collecting
from servicecert_schemas.application import ApplicationWithdrawn
from servicecert_worker.core import traces
from servicecert_worker.core.decider import Done, Event, Result, Retry, Task
from servicecert_worker.core.fold import Decided
from servicecert_worker.core.record import Arrival, ParkedRow, Poison, Record
from servicecert_worker.observe.otlp import OtlpTelemetry
from servicecert_worker.observe.telemetry import Telemetry, is_on, open_telemetry
from servicecert_worker.runtime.turn import TurnResult
from toy.service import Act
from toy.stand import ACTOR

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CASE = str(UUID(int=7))
CONTEXT = traces.root(CASE, sampled=True)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}


@pytest.fixture(autouse=True)
def quiet_sdk() -> Iterator[None]:
    """The levels that `OtlpTelemetry` sets are the process's."""
    loggers = [logging.getLogger(name) for name in ("opentelemetry", "urllib3")]
    before = [each.level for each in loggers]
    yield
    for each, level in zip(loggers, before, strict=True):
        each.setLevel(level)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://collector:4318"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, False),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, True),
        ({"OTEL_SDK_DISABLED": "TRUE", ENDPOINT: "http://collector:4318"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_traces_are_on_where_the_standard_variables_say_so(environment: Mapping[str, str], expected: bool) -> None:
    assert is_on(environment) is expected


def test_a_worker_without_traces_does_not_load_the_sdk() -> None:
    code = (
        "import sys, servicecert_worker.process.service, servicecert_worker.runtime.worker as worker;"
        "worker.open_telemetry({}, 'toy', 'toy', '', print);"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'google.protobuf'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def opened(monkeypatch: pytest.MonkeyPatch, dropped: list[int], **environment: str) -> Telemetry:
    environment = FAST | environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return open_telemetry(environment, "toy", "toy-group", "", dropped.append)


def arrival(number: int = 0, *, parked: ParkedRow | None = None) -> Arrival:
    data = ApplicationWithdrawn(case_id=UUID(CASE), actor=ACTOR, reason="a secret reason")
    event = Event(UUID(int=number), CASE, data, NOW, None, CONTEXT)
    return Arrival(Record("applications", 3, 40 + number, b"", (), b"{}", NOW), event, parked)


def turn(*items: Arrival | Result, repeated: Sequence[Arrival] = (), parked: str | None = None) -> TurnResult:
    decided = tuple(Decided(item, parked=parked) for item in items)
    return TurnResult((), 1, frozenset(item.id for item in repeated), (), (), decided=decided)


def until(arrived: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not arrived():
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_a_repeated_handling_repeats_its_span_and_a_duplicate_is_another(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    telemetry = opened(monkeypatch, [], OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="our-toy")
    first, again = arrival(), arrival()
    began = time.time_ns()
    telemetry.handled(turn(first), [first], began)
    telemetry.handled(turn(again), [again], began)
    telemetry.handled(turn(repeated=[again]), [again], began)
    await telemetry.close()
    until(lambda: collector.arrivals == 3)
    by_outcome = {span.attributes["servicecert.outcome"]: span for span in collector.spans.values()}
    assert by_outcome.keys() == {"handled", "duplicate"}
    handled = by_outcome["handled"]
    assert handled.id == traces.span_of(traces.handling(CONTEXT, first.id, "toy") or "")
    assert (handled.trace, handled.parent, handled.service) == (traces.trace_of(CONTEXT), "", "our-toy")
    assert handled.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "applications",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 40,
        "messaging.message.id": str(first.id),
        "messaging.consumer.group.name": "toy-group",
        "servicecert.event.type": "servicecert.application.withdrawn.v1",
        "servicecert.case": CASE,
        "servicecert.outcome": "handled",
    }


async def test_E3_a_parked_record_has_its_code_and_none_of_its_text(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    telemetry = opened(monkeypatch, [], OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    record = Record("applications", 0, 0, b"a person", (), b"{}", NOW)
    poison = Arrival(record, Poison(uuid4(), "a person", "wrong-schema", "a secret text", "a secret", CONTEXT))
    replayed = Arrival(record, poison.what, ParkedRow(1, 1, NOW))
    for each in (poison, replayed):
        telemetry.handled(turn(each, parked="wrong-schema"), [each], time.time_ns())
    await telemetry.close()
    until(lambda: len(collector.spans) == 2)
    for span in collector.spans.values():
        assert span.failed
        assert span.attributes["error.type"] == "wrong-schema"
        assert "servicecert.case" not in span.attributes
    assert not any(text in body for body in collector.bodies for text in (b"a person", b"secret"))


async def test_an_act_has_a_span_for_each_attempt_and_for_each_step(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    telemetry = opened(monkeypatch, [], OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    act = Act(case_id=CASE, number="1")
    task = Task(uuid4(), CASE, "act", act, NOW, CONTEXT)
    untraced = Task(uuid4(), CASE, "act", act, NOW, traces.root(CASE, sampled=False))
    began = time.time_ns()
    telemetry.acted("act", [task, untraced], [Retry("a secret reason")] * 2, began)
    steps = (("first", datetime.now(UTC)), ("second", datetime.now(UTC)))
    telemetry.acted("act", [task], [Done(act, steps)], began + 1)
    await telemetry.close()
    until(lambda: len(collector.spans) == 4)
    done = collector.spans[task.id.hex[:16]]
    assert {(span.name, span.parent) for span in collector.spans.values() if span.parent} == {
        ("first", done.id),
        ("second", done.id),
    }
    assert [span.attributes["error.type"] for span in collector.spans.values() if span.failed] == ["retry"]
    assert not any(b"secret" in body for body in collector.bodies)


async def test_a_collector_that_is_gone_is_one_line_and_its_spans_are_counted(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    dropped: list[int] = []
    collector.status = 400
    telemetry = opened(monkeypatch, dropped, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    for number in range(3):
        item = arrival(number)
        telemetry.handled(turn(item), [item], time.time_ns())
        until(partial(lambda count: sum(dropped) == count, number + 1))
    collector.status = 200
    item = arrival(4)
    telemetry.handled(turn(item), [item], time.time_ns())
    until(lambda: len(collector.spans) == 1)
    await telemetry.close()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert lines == [
        "The OTLP collector of traces is unavailable; retrying until it is back",
        "The OTLP collector of traces is back",
    ]
    assert not any(record.exc_info for record in caplog.records)


class Refused(SpanExporter):
    """An exporter without a collector."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise ConnectionRefusedError("a secret address")


async def test_an_exporter_that_raises_is_an_outage_too(caplog: pytest.LogCaptureFixture) -> None:
    dropped: list[int] = []
    telemetry = OtlpTelemetry({}, "toy", "toy", "", dropped.append, Refused())
    item = arrival()
    telemetry.handled(turn(item), [item], time.time_ns())
    await telemetry.close()
    until(lambda: dropped == [1])
    assert [record.getMessage() for record in caplog.records] == [
        "The OTLP collector of traces is unavailable; retrying until it is back"
    ]
    assert "secret" not in caplog.text


async def test_a_published_event_is_a_span_from_its_decision_to_its_acknowledgement(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    telemetry = opened(monkeypatch, [], OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    at = datetime.now(UTC) - timedelta(seconds=2)
    row = {"topic": "cases", "key": CASE, "event_id": uuid4(), "type": "a.type", "at": at, "traceparent": CONTEXT}
    ahead = row | {"event_id": uuid4(), "at": at + timedelta(days=1)}
    untraced = row | {"event_id": uuid4(), "traceparent": None}
    telemetry.sent([row, ahead, untraced], [(3, 7), (4, 8), (5, 9)], time.time_ns())
    await telemetry.close()
    until(lambda: len(collector.spans) == 2)
    span, of_the_future = (collector.spans[each["event_id"].hex[:16]] for each in (row, ahead))
    assert (span.name, span.kind, span.attributes["messaging.kafka.offset"]) == ("send cases", "producer", 7)
    assert 2 <= float(span.attributes["servicecert.outbox_seconds"]) <= (span.ended - span.began) / 1e9
    assert of_the_future.attributes["servicecert.outbox_seconds"] == 0


class Hanging(SpanExporter):
    """An exporter that does not return until it may."""

    def __init__(self) -> None:
        self.may_return = Flag()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.may_return.wait(60)
        return SpanExportResult.SUCCESS


async def test_a_collector_that_hangs_holds_up_nothing_and_its_queue_is_bounded() -> None:
    dropped: list[int] = []
    exporter = Hanging()
    environment = {"OTEL_BSP_MAX_QUEUE_SIZE": "600"}
    telemetry = OtlpTelemetry(environment, "toy", "toy", "", dropped.append, exporter)
    try:
        for number in range(1_000):
            item = arrival(number)
            telemetry.handled(turn(item), [item], time.time_ns())
        assert sum(dropped) == 400
        began = time.monotonic()
        await telemetry.close()
        assert time.monotonic() - began < 5, "the SDK alone would wait for 30 s"
    finally:
        exporter.may_return.set()


@pytest.mark.parametrize(
    ("sampler", "given", "new"),
    [
        ("", True, True),
        ("always_off", False, False),
        ("parentbased_always_off", True, False),
        ("always_on", True, True),
    ],
)
def test_the_standard_sampler_decides(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, sampler: str, given: bool, new: bool
) -> None:
    environment = {"OTEL_TRACES_SAMPLER": sampler} if sampler else {}
    telemetry = opened(monkeypatch, [], OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **environment)
    assert traces.is_sampled(traces.admitted(CONTEXT[:36] + "00f067aa0ba902b7-01", CASE, telemetry.sampler)) is given
    assert traces.is_sampled(traces.admitted(None, CASE, telemetry.sampler)) is new


@pytest.mark.parametrize("wrong", [{"OTEL_BSP_MAX_QUEUE_SIZE": "many"}, {"OTEL_BSP_SCHEDULE_DELAY": "-1"}])
def test_wrong_settings_are_a_line_and_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: dict[str, str]
) -> None:
    telemetry = opened(monkeypatch, [], OTEL_TRACES_EXPORTER="otlp", **wrong)
    assert type(telemetry) is Telemetry
    assert [record.getMessage() for record in caplog.records] == ["Traces stay off: correct the OTEL_ variables"]


async def test_nothing_is_reported_where_traces_are_off() -> None:
    telemetry = open_telemetry({}, "toy", "toy", "", lambda _: pytest.fail("nothing is dropped"))
    item = arrival()
    telemetry.handled(turn(item), [item], 0)
    telemetry.acted("act", [], [], 0)
    telemetry.sent([], [], 0)
    assert telemetry.sampler(CONTEXT, "") is True
    await telemetry.close()
