"""The spans of a worker: of each handled item, each act on the world and each published event. Values, without the SDK.

Names and attributes follow OpenTelemetry's semantic conventions for messaging and for Kafka. What is not in them begins
with `servicecert.`. A span holds ids, kinds, codes and times, and no text of an event (E3).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from opentelemetry.trace import SpanKind

from ..core import traces
from ..core.decider import Due, Event, Outcome, Retry, Task
from ..core.fold import Decided, Item, TurnResult
from ..core.record import Arrival

Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Span:
    """A span that has ended. `context` is its own, `cause` that of its parent, times are in ns since 1970.

    `fault` is a stable code, None if all is well.
    """

    name: str
    kind: SpanKind
    context: str
    cause: str
    began: int
    ended: int
    attributes: Attributes
    fault: str | None = None
    links: Sequence[str] = field(default=())


def handled(
    service: str, group: str, result: TurnResult, items: Sequence[Item], began: int, ended: int
) -> Iterator[Span]:
    """Yield a span for each item of a committed turn that is sampled."""
    for decided in result.decided:
        if decided.late_code is None and traces.is_sampled(decided.item.traceparent):
            yield _handled(service, group, decided, began, ended)
    for item in items:
        if item.id in result.repeated and isinstance(item, Arrival) and traces.is_sampled(item.traceparent):
            yield _repeated(group, item, began, ended)


def _handled(service: str, group: str, decided: Decided, began: int, ended: int) -> Span:
    item = decided.item
    cause = item.traceparent or ""
    context = traces.handling(cause, item.id, service) or ""
    if decided.parked is not None and isinstance(item, Arrival):
        # Once it is replayed, its handling has a span of its own.
        attempts = 0 if item.parked is None else item.parked.attempts
        context = traces.child(cause, uuid5(item.id, f"parked/{service}/{attempts}")) or ""
    state = {} if decided.state is None else {"servicecert.state": decided.state}
    outcome = "handled" if decided.parked is None else "parked"
    attributes = {**_about(item, group), **state, "servicecert.outcome": outcome}
    begun = [each.traceparent for each in decided.published if each.data.own_trace() and each.traceparent]
    name, kind = _name(item)
    return Span(name, kind, context, cause, began, ended, attributes, decided.parked, begun)


def _repeated(group: str, item: Arrival, began: int, ended: int) -> Span:
    cause = item.traceparent or ""
    context = traces.child(cause, uuid5(item.id, f"{group}/{item.record.position}/{began}"))
    attributes = {**_about(item, group), "servicecert.outcome": "duplicate"}
    return Span(*_name(item), context or "", cause, began, ended, attributes)


def _name(item: Item) -> tuple[str, SpanKind]:
    if isinstance(item, Arrival):
        return f"process {item.record.topic}", SpanKind.CONSUMER
    return f"{item.kind} {'due' if isinstance(item, Due) else 'result'}", SpanKind.INTERNAL


def _about(item: Item, group: str) -> dict[str, str | int | float]:
    if not isinstance(item, Arrival):
        return _case(item.key)
    type = {"servicecert.event.type": item.what.data.TYPE} if isinstance(item.what, Event) else {}
    return {
        **_message("process", item.record.topic, item.id),
        "messaging.consumer.group.name": group,
        "messaging.destination.partition.id": str(item.record.partition),
        "messaging.kafka.offset": item.record.offset,
        **type,
        **_case(item.key),
    }


def _message(operation: str, topic: str, id: UUID) -> dict[str, str | int | float]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.message.id": str(id),
    }


def _case(key: str) -> dict[str, str | int | float]:
    return {"servicecert.case": key} if traces.is_case(key) else {}


def acted(kind: str, tasks: Sequence[Task], outcomes: Sequence[Outcome], began: int, ended: int) -> Iterator[Span]:
    """Yield a span for each attempt at a sampled intent, and below it one for each step that its outcome tells of."""
    for task, outcome in zip(tasks, outcomes, strict=True):
        if not traces.is_sampled(task.traceparent):
            continue
        cause = task.traceparent or ""
        attributes = {**_case(task.key), "servicecert.tries": task.tries, "servicecert.batch": len(tasks)}
        if isinstance(outcome, Retry):
            failed = traces.child(cause, uuid5(task.id, str(began))) or ""
            yield Span(kind, SpanKind.INTERNAL, failed, cause, began, ended, attributes, "retry")
            continue
        context = traces.child(cause, task.id) or ""
        yield Span(kind, SpanKind.INTERNAL, context, cause, began, ended, attributes)
        since = began
        for step, at in outcome.steps:
            below = traces.child(context, uuid5(task.id, step)) or ""
            until = max(since, nanoseconds(at))
            yield Span(step, SpanKind.INTERNAL, below, context, since, until, _case(task.key))
            since = until


def sent(prefix: str, rows: Sequence[Any], places: Sequence[tuple[int, int]], read: int, ended: int) -> Iterator[Span]:
    """Yield a span for each sampled event that the relay published: from its commit to its acknowledgement.

    `places` are partitions and offsets. The events were in the outbox until they were read at `read`.
    """
    for row, (partition, offset) in zip(rows, places, strict=True):
        if traces.is_sampled(cause := row["traceparent"]):
            # A service's clock may be set ahead of the machine's, by which spans are measured.
            began = min(nanoseconds(row["at"]), read)
            topic = prefix + row["topic"]
            attributes = {
                **_message("send", topic, row["event_id"]),
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
                "servicecert.event.type": row["type"],
                "servicecert.outbox_seconds": (read - began) / 1e9,
                **_case(row["key"]),
            }
            context = traces.child(cause, row["event_id"]) or ""
            yield Span(f"send {topic}", SpanKind.PRODUCER, context, cause, began, ended, attributes)


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
