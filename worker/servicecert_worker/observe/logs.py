"""Logging: JSON lines with the `extra` fields as keys, or text lines with `key=value`. No personal data or secrets."""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import structlog

from ..core.traces import log_fields


class Traced(Protocol):
    """An event, intent or deadline."""

    @property
    def key(self) -> str: ...

    @property
    def traceparent(self) -> str | None: ...


def about(it: Traced) -> AbstractContextManager[Any]:
    """Give each line that is logged in this context, here and in what it awaits, the fields `trace` and `case`."""
    return structlog.contextvars.bound_contextvars(**log_fields(it.traceparent, it.key))


def configure(service: str, form: Literal["auto", "json", "text"], level: str) -> None:
    """Send all log records to standard error.

    aiokafka's and asyncpg's lines are dropped: some 65 a second while a broker is down; the worker logs an outage once.
    """
    readable = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "aiohttp.access", "asyncpg", "yoyo", "asyncio", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    structlog.contextvars.bind_contextvars(service=service)
