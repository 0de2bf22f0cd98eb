"""The named steps of the worker, so that a test can kill the process at each of them.

In production `crash_point` does nothing. With `SERVICECERT_DIE_AT=written:2` the process kills itself (SIGKILL) when it
reaches the step `written` for the second time.
"""

import os
import signal
from collections import Counter

CRASH_POINTS = (
    *("fetched", "decoded", "examined", "begun", "locked", "claimed", "loaded", "decided", "saved", "written"),
    *("committed", "dispatched", "offsets", "effect-start", "published", "effect-done", "adopted"),
    *("relay-read", "relay-journaled", "relay-acked", "relay-noted", "due-read"),
)

_fatal, _, _count = os.environ.get("SERVICECERT_DIE_AT", "").partition(":")
_seen: Counter[str] = Counter()

ARMED = bool(_fatal)
"""Whether the environment names a step. Such a process refuses to work with production keys."""


def crash_point(name: str) -> None:
    """Mark a step; kill the process here if the environment says so."""
    if name == _fatal:
        _seen[name] += 1
        if _seen[name] == int(_count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
