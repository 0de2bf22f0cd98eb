"""Tells open pages that their case has changed, by server-sent events. A page without JavaScript is loaded anew."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

SECONDS = 300.0
"""How long a stream lasts. The browser opens it again, which checks anew who may read."""
SILENT_SECONDS = 20.0
"""How often a stream without news shows that it lives."""


class Changes:
    """Who watches which case, in this process."""

    def __init__(self) -> None:
        self._watching: dict[str, set[asyncio.Event]] = defaultdict(set)

    def tell(self, case_id: str | None) -> None:
        """Wake all who watch the case."""
        for event in self._watching.get(case_id or "", ()):
            event.set()

    @contextmanager
    def watching(self, case_id: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._watching[case_id].add(event)
        try:
            yield event
        finally:
            self._watching[case_id].discard(event)
            if not self._watching[case_id]:
                del self._watching[case_id]


async def stamps(changes: Changes, case_id: str, stamp: Callable[[], Awaitable[str]]) -> AsyncIterator[str]:
    """Yield the stamp of a case at once and after each change, as server-sent events."""
    with changes.watching(case_id) as changed, suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while True:
                changed.clear()
                yield f"retry: 1000\ndata: {await stamp()}\n\n"
                while not changed.is_set():
                    try:
                        async with asyncio.timeout(SILENT_SECONDS):
                            await changed.wait()
                    except TimeoutError:
                        yield ":\n\n"
