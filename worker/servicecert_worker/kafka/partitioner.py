"""Which partition a key's records go to: as Kafka's own clients place them, with the hash of a key computed once for its records of several topics."""

from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_for(key: bytes, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """The partition of a key among those of a topic, sorted."""
    return partitions[_hashed(key) % len(partitions)]


@lru_cache(maxsize=8_192)
def _hashed(key: bytes) -> int:
    """In Python the hash of a case's id takes as long as deciding some of its rules."""
    return int(murmur2(key)) & 0x7FFFFFFF
