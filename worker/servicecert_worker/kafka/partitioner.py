"""The partitioner of Kafka's own clients, with cached hashes."""

from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_for(key: bytes, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """Return a key's partition among the sorted partitions of a topic."""
    return partitions[_hashed(key) % len(partitions)]


def partitions_with(key: bytes, made_with: int, now: int) -> list[int]:
    """Return the partitions of a topic that may have records of a key; mostly one.

    There are more if the topic was made with fewer partitions than it has `now`: keys moved with each new one.
    """
    return sorted({partition_for(key, range(count), ()) for count in range(min(made_with, now), now + 1)})


@lru_cache(maxsize=8_192)
def _hashed(key: bytes) -> int:
    """Return a key's hash. It is cached: in Python it costs as much as some of the rules."""
    return int(murmur2(key)) & 0x7FFFFFFF
