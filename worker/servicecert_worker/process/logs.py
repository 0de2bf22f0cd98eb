"""Logging: one JSON object a line, or readable lines on a terminal. No personal data, no secrets."""

import logging
import sys
from typing import Literal

import structlog


def configure(service: str, form: Literal["auto", "json", "text"], level: str) -> None:
    """Sends structlog's and the standard library's records through one chain to standard error.

    aiokafka's and asyncpg's own lines are left out: while a broker is down they are some 65 a second, and the worker tells an outage once.
    """
    readable = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "aiohttp.access", "asyncpg", "yoyo", "asyncio", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    structlog.configure(
        # What is below the level ends here, before it costs anything.
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
