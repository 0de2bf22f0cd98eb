"""Python's collector of garbage, out of the way of a command that reads very much: what it reads lives until its end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Looks for no garbage meanwhile. Among the 80,000 entries of a register the search would take as long as reading them."""
    worked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if worked:
            gc.enable()
