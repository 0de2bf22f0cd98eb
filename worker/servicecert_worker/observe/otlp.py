"""Spans to an OTLP collector by OpenTelemetry's SDK. It is imported only where traces are on: it takes time and memory.

The SDK reads its own variables: endpoint, headers, TLS, sampler, resource, batches. A thread of its own exports. No
worker waits for it: what the collector does not take is dropped and counted.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from importlib.metadata import version
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context

from ..core import traces
from ..core.decider import Outcome, Task
from ..core.faults import Outage
from ..core.fold import Item, TurnResult
from . import spans
from .spans import Span
from .telemetry import Telemetry

log = logging.getLogger(__name__)

_QUEUE, _CLOSE_SECONDS, _MOST_LINKS = 2048, 1.0, 128
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _GivenIds(IdGenerator):
    """Gives the next span the ids that it is to have."""

    def __init__(self) -> None:
        self.trace = self.span = 0

    def generate_span_id(self) -> int:
        return self.span

    def generate_trace_id(self) -> int:
        return self.trace


class Collector(SpanExporter):
    """The exporter, which logs an outage once, and tells how many spans it has exported or dropped."""

    def __init__(self, exporter: SpanExporter, done: Callable[[int, bool], object]) -> None:
        self._exporter = exporter
        self._done = done
        self._outage = Outage("The OTLP collector of traces")
        # The SDK's thread has no context, and lines name the service by it.
        self._context = copy_context()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export, in the SDK's thread. Raises nothing."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            self._context.run(self._outage.began, error)
            result = SpanExportResult.FAILURE
        else:
            if result is SpanExportResult.SUCCESS:
                self._context.run(self._outage.ended)
            else:
                self._context.run(self._outage.began, ConnectionError())
        self._done(len(spans), result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class OtlpTelemetry(Telemetry):
    """Exports a worker's spans. Raises ValueError and others for settings that the SDK does not accept."""

    def __init__(
        self,
        environment: Mapping[str, str],
        service: str,
        group: str,
        prefix: str,
        dropped: Callable[[int], object],
        exporter: SpanExporter | None = None,
    ) -> None:
        if environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() not in ("", "http/protobuf"):
            log.warning("OTEL_EXPORTER_OTLP_PROTOCOL is ignored: spans are sent by http/protobuf")
        self._service = service
        self._group = group
        self._prefix = prefix
        self._dropped = dropped
        self._most = int(environment.get("OTEL_BSP_MAX_QUEUE_SIZE", "").strip() or _QUEUE)
        self._queued = 0
        self._lock = threading.Lock()
        self._ids = _GivenIds()
        ours = {"service.name": service, "service.namespace": "servicecert", "service.version": version("servicecert")}
        resource = Resource.create(ours).merge(OTELResourceDetector().detect())
        # Without a sampler the provider takes the one of the environment.
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler
        self._provider = TracerProvider(ALWAYS_ON, resource, False, id_generator=self._ids)
        collector = Collector(exporter or OTLPSpanExporter(), self._exported)
        self._provider.add_span_processor(BatchSpanProcessor(collector, self._most))
        self._tracer = self._provider.get_tracer("servicecert_worker", version("servicecert"))
        # Its own lines would repeat for as long as an outage lasts.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)

    def sampler(self, given: str | None, _trace: str) -> bool:
        """Ask the sampler of OTEL_TRACES_SAMPLER."""
        context = None if given is None else set_span_in_context(NonRecordingSpan(_context(given)))
        return self._sampler.should_sample(context, int(_trace, 16), "").decision is Decision.RECORD_AND_SAMPLE

    def handled(self, result: TurnResult, items: Sequence[Item], began: int) -> None:
        self._export(spans.handled(self._service, self._group, result, items, began, time.time_ns()))

    def acted(self, kind: str, tasks: Sequence[Task], outcomes: Sequence[Outcome], began: int) -> None:
        self._export(spans.acted(kind, tasks, outcomes, began, time.time_ns()))

    def sent(self, rows: Sequence[Any], places: Sequence[tuple[int, int]], read: int) -> None:
        self._export(spans.sent(self._prefix, rows, places, read, time.time_ns()))

    async def close(self) -> None:
        # The SDK waits as long as the collector does. A thread that is no daemon would keep the process from ending.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_SECONDS)

    def _export(self, ended: Iterable[Span]) -> None:
        for span in ended:
            with self._lock:
                if has_room := self._queued < self._most:
                    self._queued += 1
            if has_room:
                self._end(span)
            else:
                self._dropped(1)

    def _end(self, span: Span) -> None:
        """Give a span that has ended to the SDK."""
        self._ids.trace = int(traces.trace_of(span.context), 16)
        self._ids.span = int(traces.span_of(span.context), 16)
        parent = NonRecordingSpan(_context(span.cause)) if traces.has_parent(span.cause) else None
        started = self._tracer.start_span(
            span.name,
            None if parent is None else set_span_in_context(parent),
            span.kind,
            span.attributes,
            [Link(_context(each)) for each in span.links[:_MOST_LINKS]],
            span.began,
        )
        if span.fault is not None:
            started.set_attribute("error.type", span.fault)
            started.set_status(Status(StatusCode.ERROR))
        started.end(span.ended)

    def _exported(self, count: int, success: bool) -> None:
        with self._lock:
            self._queued -= count
        if not success:
            self._dropped(count)


def _context(context: str) -> SpanContext:
    flags = _SAMPLED if traces.is_sampled(context) else TraceFlags(TraceFlags.DEFAULT)
    return SpanContext(int(traces.trace_of(context), 16), int(traces.span_of(context), 16), True, flags)
