"""How many answers may be signed anew: for each client, and for all. Pure; the time is an argument."""

from dataclasses import dataclass
from datetime import datetime

BURST_SECONDS = 10.0
"""A client that was quiet may have the answers of this time at once."""


@dataclass(slots=True)
class _Bucket:
    """What is left, up to `most`, and the time at which it was reckoned."""

    rate: float
    most: float
    left: float
    at: float

    def has_one(self, now: float) -> bool:
        """Fill it up, and return whether it has one. A clock that goes back fills nothing."""
        self.left = min(self.most, self.left + max(0.0, now - self.at) * self.rate)
        self.at = now
        return self.left >= 1


class Budget:
    """Token buckets: `per_second` for each client, and `total_per_second` for all together.

    The newest `most_clients` are remembered. Who has more addresses than that can use up the total, and no more:
    answers that are signed already need no budget.
    """

    def __init__(self, per_second: float, total_per_second: float, most_clients: int = 10_000) -> None:
        self._per_second = per_second
        self._most_clients = most_clients
        self._clients: dict[str, _Bucket] = {}
        self._total = _bucket(total_per_second, 0.0)

    def __len__(self) -> int:
        return len(self._clients)

    def take(self, client: str, now: datetime) -> bool:
        """Return whether an answer may be signed for the client now, and count it."""
        seconds = now.timestamp()
        bucket = self._clients.pop(client, None) or _bucket(self._per_second, seconds)
        self._clients[client] = bucket
        if len(self._clients) > self._most_clients:
            del self._clients[next(iter(self._clients))]
        if not bucket.has_one(seconds) or not self._total.has_one(seconds):
            return False
        bucket.left -= 1
        self._total.left -= 1
        return True


def _bucket(rate: float, now: float) -> _Bucket:
    return _Bucket(rate, rate * BURST_SECONDS, rate * BURST_SECONDS, now)
