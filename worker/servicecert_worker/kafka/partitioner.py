"""The partitioner of Kafka's own clients, with cached hashes."""

from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_for(key: bytes, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """Return a key's partition among the sorted partitions of a topic."""
    return partitions[_hashed(key) % len(partitions)]


@lru_cache(maxsize=8_192)
def _hashed(key: bytes) -> int:
    """Return a key's hash. It is cached: in Python it costs as much as some of the rules."""
    return int(murmur2(key)) & 0x7FFFFFFF
