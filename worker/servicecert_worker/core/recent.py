"""How many things happened in the last second: with many of them, the next can wait for some more."""

from collections import deque


class Recent:
    """A sum over the last second. `now` is a monotonic clock in seconds."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def with_more(self, things: int, now: float) -> int:
        """Add so many things at `now`, and return how many happened in the second before, these included."""
        self._counts.append((now, things))
        self._sum += things
        while self._counts[0][0] < now - 1:
            self._sum -= self._counts.popleft()[1]
        return self._sum
