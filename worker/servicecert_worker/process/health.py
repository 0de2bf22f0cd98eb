"""`/live`, `/ready`, `/metrics` and `/asyncapi.json` over HTTP: FastStream's ASGI routes, served by uvicorn.

Who reaches them cannot stop a worker (F5): connections are limited, each has one request, and the metrics are read once
for all who ask at a time.
"""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources import files
from time import monotonic
from typing import Any, Protocol, Self, TypeAlias, cast

import uvicorn
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from faststream.specification.base import SpecificationFactory
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..core.faults import OperatorError, background, error_summary, guard_cancellation, with_timeout
from ..runtime.metrics import family
from ..runtime.settings import ProcessSettings
from .connections import Closed, Connections, Limits, raise_file_limit

log = logging.getLogger(__name__)

Check: TypeAlias = tuple[bool, str]
"""The result of a check, and its reason."""

LIMITS = Limits(most=64, most_per_client=32, patience_seconds=15.0)
_FRESH_SECONDS = 0.5
_DATE_SECONDS = 1.0

_TEXT = {"content-type": "text/plain; charset=utf-8"}
_METRICS = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
_JSON = {"content-type": "application/json"}


class HealthSource(Protocol):
    """What the routes report on."""

    def live(self) -> Check:
        """Return whether it makes progress; if not, the process should be restarted."""

    def ready(self) -> Check:
        """Return whether it works."""

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""


class _Shared:
    """A reading that all share who ask meanwhile, or shortly after: however many ask, one at a time is made."""

    def __init__(self, read: Callable[[], Awaitable[bytes]]) -> None:
        self._read = read
        self._reading = asyncio.Lock()
        self._text, self._fresh_until = b"", 0.0

    async def __call__(self) -> bytes:
        async with self._reading:
            if monotonic() > self._fresh_until:
                self._text = await self._read()
                self._fresh_until = monotonic() + _FRESH_SECONDS
            return self._text


class Metrics(Collector):
    """The metrics of this server itself, in each process."""

    def __init__(self, closed: Mapping[Closed, int]) -> None:
        self.registry = CollectorRegistry()
        self.closed = closed
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        yield closed_connections("servicecert_health_connections_closed", "/live, /ready and /metrics", self.closed)


def closed_connections(name: str, to: str, closed: Mapping[Closed, int]) -> Metric:
    """Return the counter of connections that were closed because of a limit."""
    text = f"Connections to {to} that were closed because of a limit, by reason."
    return family(name, text, ["reason"], ((reason, closed.get(reason, 0)) for reason in Closed), counts=True)


def routes(checked: HealthSource, connections: Connections) -> list[tuple[str, Any]]:
    """Return the ASGI routes, by path."""
    own = Metrics(connections.closed)

    async def read() -> bytes:
        return await checked.metrics() + generate_latest(own.registry)

    shared = _Shared(read)

    def answering(check: Callable[[], Check]) -> Any:
        @get
        async def answer(_: Any) -> AsgiResponse:
            well, why = check()
            return AsgiResponse(f"{why}\n".encode(), 200 if well else 503, _TEXT)

        return answer

    @get
    async def metrics(_: Any) -> AsgiResponse:
        return AsgiResponse(await shared(), 200, _METRICS)

    @get
    async def contract(_: Any) -> AsgiResponse:
        return AsgiResponse(Contract().to_json().encode(), 200, _JSON)

    return [
        ("/live", answering(checked.live)),
        ("/ready", answering(checked.ready)),
        ("/metrics", metrics),
        ("/asyncapi.json", contract),
    ]


@asynccontextmanager
async def serve(
    checked: HealthSource, settings: ProcessSettings, number: int = 0, *, limits: Limits = LIMITS
) -> AsyncIterator[str]:
    """Serve until the context ends; yield the bound address `host:port`.

    `number` is added to a fixed port, for one of several processes. Raises `OperatorError` if the port is in use.
    """
    host, port = settings.health_host, settings.health_port + number if settings.health_port else 0
    try:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        log.debug("The health port cannot be opened", extra={"error": error_summary(error)})
        raise OperatorError(
            f"Port {port} is in use: free it, or set SERVICECERT_HEALTH_PORT to another (0 takes any free one).", 69
        ) from None
    with bound:
        address = "{}:{}".format(*bound.getsockname()[:2])
        if (file := settings.health_file) is not None:
            try:
                (file.with_name(f"{file.name}.{number}") if number else file).write_text(address)
            except OSError as error:
                fault = f"{file} cannot be written ({error.strerror})"
                raise OperatorError(f"{fault}: set SERVICECERT_HEALTH_FILE to a file in a folder of its own.") from None
        connections = Connections(limits)
        raise_file_limit()
        server = _Server(
            uvicorn.Config(
                AsgiFastStream(asgi_routes=routes(checked, connections), logger=None),
                # A callable that returns a protocol is all that uvicorn needs.
                http=cast("Any", lambda **parts: connections.guard(H11Protocol(**parts))),
                headers=[("Connection", "close")],
                backlog=limits.most,
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        async with background(connections.watch()), asyncio.TaskGroup() as group:
            group.create_task(guard_cancellation(_serve(server, bound)))
            try:
                yield address
            finally:
                server.end()


async def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    await server.serve([bound])
    if not server.should_exit:
        raise RuntimeError("The health server stopped unexpectedly.")


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the application has its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Renew the date each second, and end at once: uvicorn wakes ten times a second for that."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await with_timeout(_DATE_SECONDS, self._ending.wait())

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()


class Contract(SpecificationFactory):
    """A specification factory and its result in one: the document does not depend on brokers or routes."""

    title = "Service certificates"
    version = description = contact = license = None

    def add_broker(self, broker: Any, /) -> Self:  # noqa: ARG002  -- FastStream's signature
        return self

    def add_http_route(self, path: str, handler: Any) -> Self:  # noqa: ARG002  -- FastStream's signature
        return self

    def to_specification(self) -> Self:
        return self

    def to_jsonable(self) -> Any:
        return json.loads(self.to_json())

    def to_json(self) -> str:
        return (files("servicecert_schemas") / "exported" / "asyncapi.json").read_text(encoding="utf-8")

    def to_yaml(self) -> str:
        import yaml

        return str(yaml.safe_dump(self.to_jsonable(), sort_keys=False))
