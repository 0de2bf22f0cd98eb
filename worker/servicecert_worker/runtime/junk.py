"""Junk: records that are no events and hold up no later one. Much of one partition is parked as one (F5). Pure."""

from collections import Counter
from collections.abc import Sequence

from ..core.record import Arrival, is_junk, joined

MOST_A_MINUTE = 60
"""So much junk of a partition is parked record by record. Of more, a turn parks all that it takes as one."""
_MINUTE = 60.0


class Junk:
    """Joins junk beyond the most. It counts what it has seen of each partition in a minute of a monotonic clock."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, int]] = Counter()
        self._since = 0.0

    def joined(self, arrivals: Sequence[Arrival], now: float) -> list[Arrival]:
        """Return the arrivals, the junk beyond the most of a partition as one in the place of its first. `now` in s."""
        if now >= self._since + _MINUTE:
            self._seen.clear()
            self._since = now
        others: list[Arrival] = []
        places: dict[tuple[str, int], int] = {}
        for arrival in arrivals:
            partition = arrival.record.topic, arrival.record.partition
            self._seen[partition] += is_junk(arrival)
            if not is_junk(arrival) or self._seen[partition] <= MOST_A_MINUTE:
                others.append(arrival)
            elif partition in places:
                others[places[partition]] = joined(others[places[partition]], arrival)
            else:
                places[partition] = len(others)
                others.append(joined(arrival, arrival))
        return others
