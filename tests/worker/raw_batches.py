"""Record batches byte by byte, as no producer of ours writes them, and a client that sends them to a broker."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c
from servicecert_worker.kafka.internals import client_of

CODECS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip_encode),
    "snappy": (2, snappy_encode),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}

NO_LEADER = 6
"""What a broker answers for a topic that was just created."""


def varint(number: int) -> bytes:
    """Return a number zigzag-encoded."""
    rest, octets = (number << 1) ^ (number >> 63), bytearray()
    while rest >= 0x80:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes((*octets, rest))


def field(content: bytes | None) -> bytes:
    """Return a field after its length."""
    return varint(-1) if content is None else varint(len(content)) + content


@dataclass(frozen=True)
class Raw:
    """A record. `count` is what it says of its headers, `delta` of its place in the batch; `tail` follows its parts."""

    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[bytes | None, bytes | None]] = ()
    count: int | None = None
    delta: int | None = None
    tail: bytes = b""

    def octets(self, place: int) -> bytes:
        """Return the record as the `place`-th of its batch."""
        headers = b"".join(field(name) + field(raw) for name, raw in self.headers)
        count = len(self.headers) if self.count is None else self.count
        delta = place if self.delta is None else self.delta
        content = b"\0" + varint(0) + varint(delta) + field(self.key) + field(self.value) + varint(count) + headers
        return field(content + self.tail)


def batch(
    records: Sequence[Raw],
    codec: str = "none",
    tail: bytes = b"",
    count: int | None = None,
    pack: Callable[[bytes], bytes] | None = None,
    written: int | None = None,
    attributes: int = 0,
    repeat: int = 1,
) -> bytes:
    """Return a batch. `tail` follows what is packed, `count` is what it says of its records, `pack` packs otherwise.

    It is of now unless `written` says when, in ms: a broker compacts at once what has been there for long.
    """
    written = int(time() * 1000) if written is None else written
    number, usual = CODECS[codec]
    many = len(records) * repeat
    body = b"".join(record.octets(place) for place, record in enumerate([*records] * repeat))
    packed = (pack or usual)(body) + tail
    attributes |= number
    rest = struct.pack(
        ">hiqqqhii", attributes, many - 1, written, written, -1, -1, -1, many if count is None else count
    )
    checked = rest + packed
    head = struct.pack(">iBI", 0, 2, calc_crc32c(checked))
    return struct.pack(">qi", 0, len(head + checked)) + head + checked


async def send(producer: AIOKafkaProducer, topic: str, partition: int, raw: bytes) -> tuple[int, int]:
    """Send a batch as it is. Return the error code of the broker and the offset that it gave."""
    client = client_of(producer)
    code = NO_LEADER
    while code == NO_LEADER:
        await client.set_topics([topic])
        await client.force_metadata_update()
        node = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        answer = await client.send(node, ProduceRequest(None, -1, 30_000, [(topic, [(partition, raw)])]))
        ((_, ((_, code, offset, *_),)),) = answer.topics
    return code, offset
