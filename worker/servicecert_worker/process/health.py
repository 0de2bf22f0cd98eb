"""`/live`, `/ready`, `/metrics` and `/asyncapi.json` over HTTP: FastStream's ASGI routes, served by uvicorn."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeAlias

import uvicorn
from faststream.asgi import AsgiFastStream, AsgiResponse, get

from ..faults import OperatorError, error_summary, guard_cancellation
from .contract import Contract
from .settings import ProcessSettings

log = logging.getLogger(__name__)

Check: TypeAlias = tuple[bool, str]
"""The result of a check, and its reason."""

_TEXT = {"content-type": "text/plain; charset=utf-8"}
_METRICS = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
_JSON = {"content-type": "application/json"}


class HealthSource(Protocol):
    """What the routes report on."""

    def live(self) -> Check:
        """Return whether it makes progress; if not, the process should be restarted."""
        ...

    def ready(self) -> Check:
        """Return whether it works."""
        ...

    async def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        ...


def routes(checked: HealthSource) -> list[tuple[str, Any]]:
    """Return the ASGI routes, by path."""

    def answering(check: Callable[[], Check]) -> Any:
        @get
        async def answer(_: Any) -> AsgiResponse:
            well, why = check()
            return AsgiResponse(f"{why}\n".encode(), 200 if well else 503, _TEXT)

        return answer

    @get
    async def metrics(_: Any) -> AsgiResponse:
        return AsgiResponse(await checked.metrics(), 200, _METRICS)

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
async def serve(checked: HealthSource, settings: ProcessSettings, number: int = 0) -> AsyncIterator[str]:
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
            (file.with_name(f"{file.name}.{number}") if number else file).write_text(address)
        server = _Server(
            uvicorn.Config(
                AsgiFastStream(asgi_routes=routes(checked), logger=None),
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(guard_cancellation(_serve(server, bound)))
            try:
                yield address
            finally:
                server.should_exit = True


async def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    await server.serve([bound])
    if not server.should_exit:
        raise RuntimeError("The health server stopped unexpectedly.")


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the application has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
