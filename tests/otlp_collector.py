"""A collector of traces: an HTTP server that takes OTLP by protobuf, as OpenTelemetry's own does.

with collecting() as collector:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    collector.spans                # all that have arrived, by their id
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True)
class Received:
    """A span as it arrived. Ids are hexadecimal, `parent` is empty for a root, times are in ns."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    service: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, str | int | float]
    links: tuple[str, ...]


@dataclass
class Collector:
    """What a collector has received. `arrivals` counts every span, repeated ones too. `status` is its answer."""

    url: str = ""
    status: int = 200
    spans: dict[str, Received] = field(default_factory=dict)
    arrivals: int = 0
    bodies: list[bytes] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def trace(self, trace: str) -> list[Received]:
        """Return a trace's spans, the oldest first."""
        with self.lock:
            return sorted((each for each in self.spans.values() if each.trace == trace), key=lambda it: it.began)

    def take(self, body: bytes) -> None:
        """Decode a request and keep its spans. Raises protobuf's DecodeError."""
        request = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            self.bodies.append(body)
            for of_resource in request.resource_spans:
                resource = {it.key: it.value.string_value for it in of_resource.resource.attributes}
                for of_scope in of_resource.scope_spans:
                    for span in of_scope.spans:
                        self.arrivals += 1
                        self.spans[span.span_id.hex()] = _received(span, resource["service.name"])


def _received(span: Encoded, service: str) -> Received:
    return Received(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=Encoded.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        service=service,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes={it.key: getattr(it.value, it.value.WhichOneof("value")) for it in span.attributes},
        links=tuple(link.trace_id.hex() for link in span.links),
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port of this machine."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if collector.status == 200 and self.path == "/v1/traces":
                collector.take(decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(collector.status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield collector
        finally:
            server.shutdown()
            serving.join()
