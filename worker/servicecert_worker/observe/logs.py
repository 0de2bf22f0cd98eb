"""Logging: JSON lines with the `extra` fields as keys, or text lines with `key=value`. No personal data or secrets.

Made from the standard library: each of the packages for this loads others for traces with the values of variables.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from ..core.decider import Task
from ..core.faults import error_summary
from ..core.fold import Item
from ..core.traces import log_fields

_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("about")
_OF_EACH_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}


@contextmanager
def about(it: Item | Task) -> Iterator[None]:
    """Give each line that is logged in this context, here and in what it awaits, the fields `trace` and `case`."""
    token = _ABOUT.set({**_ABOUT.get({}), **log_fields(it.traceparent, it.key)})
    try:
        yield
    finally:
        _ABOUT.reset(token)


class _Lines(logging.Formatter):
    """Formats a record as one line. Of an error it has type and source line, never its text (E3)."""

    def __init__(self, service: str, *, readable: bool, coloured: bool) -> None:
        super().__init__()
        self._service, self._readable, self._coloured = service, readable, coloured

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "event": record.getMessage(),
            "service": self._service,
            **_ABOUT.get({}),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6] + "Z",
            **{name: value for name, value in vars(record).items() if name not in _OF_EACH_RECORD},
        }
        if record.exc_info and (error := record.exc_info[1]) is not None:
            fields["error"] = error_summary(error)
        if not self._readable:
            return json.dumps(fields, ensure_ascii=False, default=repr)
        time, level, event, logger = (fields.pop(name) for name in ("timestamp", "level", "event", "logger"))
        shown = f"{level:<9}"
        if self._coloured and (colour := _COLOURS.get(record.levelno)):
            shown = f"\x1b[{colour}m{shown}\x1b[0m"
        pairs = " ".join(f"{name}={_in_one_word(value)}" for name, value in sorted(fields.items()))
        return f"{time} [{shown}] {event:<30} [{logger}] {pairs}"


def _in_one_word(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and not {*" =\"'"} & {*text} else repr(text)


def configure(service: str, form: Literal["auto", "json", "text"], level: str) -> None:
    """Send all log records to standard error.

    aiokafka's and asyncpg's lines are dropped: some 65 a second while a broker is down; the worker logs an outage once.
    """
    is_terminal = sys.stderr.isatty()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Lines(service, readable=form == "text" or (form == "auto" and is_terminal), coloured=is_terminal)
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "aiohttp.access", "asyncpg", "yoyo", "asyncio", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
