"""Reads record batches, as brokers store them, within bounds (F5): whoever may write to a topic chooses their bytes.

aiokafka unpacks a batch whole, whatever it comes to, and raises at what it cannot read, at the same offset for ever.
Here what cannot be read or exceeds a bound is one record with a `fault`, and reading continues behind it
(docs/decisions/batches.md).
"""

import struct
from collections.abc import Iterator

import cramjam
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.record.util import calc_crc32c
from servicecert_schemas.codec import MAX_HEADER_BYTES, Undecodable
from servicecert_schemas.topics import most_bytes_in

from ..core.record import Record, time_of

UNPACKED_BYTES = 8 * 1024 * 1024
"""What a batch may unpack to. After as much of one partition a fetch ends, and the next one continues there."""
MOST_RECORDS = 20_000
"""As many as a batch has of our shortest events. One that is read on within it is read from its beginning."""
MOST_HEADERS = 64
HEADERS_BYTES = 16 * 1024

_LENGTH = struct.Struct(">8xi")
_HEADER = struct.Struct(">qiibIhiqqqhii")
_FORMAT_AT, _CHECKED_FROM = 16, 21
_FORMAT = 2
_CODEC, _BROKERS_TIME, _CONTROL = 0x07, 0x08, 0x20
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_UNPACK = {
    _GZIP: cramjam.gzip.decompress_into,
    _SNAPPY: cramjam.snappy.decompress_raw_into,
    _LZ4: cramjam.lz4.decompress_into,
    _ZSTD: cramjam.zstd.decompress_into,
}
_SNAPPY_FRAMES = b"\x82SNAPPY\0"
"""How what Java's producers pack with Snappy begins. Frames follow, each after its length."""
_FRAMES_AT = 16
_VARINT_BITS = 64


class Batches:
    """The batches of one partition in a fetch's answer, which may end within one: in place of aiokafka's class."""

    def __init__(self, raw: bytes) -> None:
        self._raw = memoryview(raw)
        self._at = 0

    def size_in_bytes(self) -> int:
        return len(self._raw)

    def has_next(self) -> bool:
        return self._at + _LENGTH.size <= len(self._raw) and self._end() <= len(self._raw)

    def next_batch(self) -> "Batch":
        start, self._at = self._at, self._end()
        return Batch(self._raw[start : self._at])

    def _end(self) -> int:
        (length,) = _LENGTH.unpack_from(self._raw, self._at)
        return self._at + _LENGTH.size + int(length)


class Fetched:
    """The records of one partition in a fetch's answer, from an offset on: in place of aiokafka's `PartitionRecords`.

    `next_fetch_offset` follows what was given out. It ends before a batch that differs from its checksum, and raises
    `CorruptRecordException` where that is the first: the wire or a disk has changed it, and another fetch may bring it
    whole.
    """

    def __init__(self, place: TopicPartition, batches: Batches, _aborted: object, offset: int, *_: object) -> None:
        self.next_fetch_offset = offset
        self._records = self._read(place, batches)

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def __next__(self) -> Record:
        return next(self._records)

    def _read(self, place: TopicPartition, batches: Batches) -> Iterator[Record]:
        octets, first = 0, self.next_fetch_offset
        while batches.has_next() and octets < UNPACKED_BYTES:
            batch = batches.next_batch()
            if not batch.is_genuine():
                if self.next_fetch_offset > first:
                    return
                raise CorruptRecordException(f"A batch of {place} differs from its checksum.")
            for record in batch.records(place):
                if record.next_offset > self.next_fetch_offset:
                    self.next_fetch_offset = record.next_offset
                    yield record
            octets += batch.unpacked
            # Control records, and what compaction removed at a batch's end, have offsets too.
            self.next_fetch_offset = max(self.next_fetch_offset, batch.last + 1)


class Batch:
    """A batch from `first` to the offset `last`. It has come to `unpacked` octets, or to as many as it may."""

    def __init__(self, raw: memoryview) -> None:
        self._raw = raw
        (self.first,) = struct.unpack_from(">q", raw)
        self.last = self.first
        self.unpacked = UNPACKED_BYTES
        if self._is_readable():
            (delta,) = struct.unpack_from(">i", raw, _CHECKED_FROM + 2)
            self.last += delta

    def _is_readable(self) -> bool:
        return len(self._raw) >= _HEADER.size and self._raw[_FORMAT_AT] == _FORMAT

    def is_genuine(self) -> bool:
        """Return whether it has its checksum, if it is readable at all."""
        if not self._is_readable():
            return True
        checksum = _HEADER.unpack_from(self._raw)[4]
        return bool(checksum == calc_crc32c(bytes(self._raw[_CHECKED_FROM:])))

    def records(self, place: TopicPartition) -> Iterator[Record]:
        """Yield the records; from the first one that cannot be read on, one with a fault for them all."""
        offset = self.first
        try:
            for record in self._read(place):
                if not offset <= record.offset <= self.last:
                    raise ValueError("an offset outside the batch, or that of an earlier record")
                offset = record.next_offset
                yield record
        except (ValueError, IndexError, struct.error, cramjam.DecompressionError) as error:
            fault = Undecodable("unreadable-batch", f"Offsets {offset} to {self.last} cannot be read: {error}.")
            yield Record(place.topic, place.partition, offset, None, (), None, time_of(0), fault, self.last)

    def _read(self, place: TopicPartition) -> Iterator[Record]:
        if not self._is_readable():
            raise ValueError("the format is not that of today's brokers")
        _, _, _, _, _, attributes, _, first_time, last_time, _, _, _, count = _HEADER.unpack_from(self._raw)
        if attributes & _CONTROL:
            self.unpacked = 0
            return
        if not 0 <= count <= MOST_RECORDS:
            raise ValueError(f"it has more than {MOST_RECORDS} records")
        body = _unpacked(attributes & _CODEC, bytes(self._raw[_HEADER.size :]))
        self.unpacked = len(body)
        end, most = 0, most_bytes_in(place.topic)
        for _ in range(count):
            length, at = _varint(body, end)
            end = at + length
            if length < 0 or end > len(body):
                raise ValueError("a record exceeds the batch")
            # The first octet has no meaning yet.
            since, at = _varint(body, at + 1)
            delta, at = _varint(body, at)
            written = time_of(last_time if attributes & _BROKERS_TIME else first_time + since)
            key, headers, value, fault = _contents(body, at, end, most)
            yield Record(place.topic, place.partition, self.first + delta, key, headers, value, written, fault)


def _unpacked(codec: int, packed: bytes) -> bytes:
    """Return a batch's records. Raises ValueError or `DecompressionError`, also where they exceed `UNPACKED_BYTES`."""
    if codec == 0:
        return packed
    if codec not in _UNPACK:
        raise ValueError("its codec is unknown")
    room = memoryview(bytearray(UNPACKED_BYTES))
    if codec != _SNAPPY or not packed.startswith(_SNAPPY_FRAMES):
        return bytes(room[: _UNPACK[codec](packed, room)])
    at, filled = _FRAMES_AT, 0
    while at < len(packed):
        (length,) = struct.unpack_from(">I", packed, at)
        at += 4 + length
        filled += _UNPACK[codec](packed[at - length : at], room[filled:])
    return bytes(room[:filled])


def _contents(
    body: bytes, at: int, end: int, most: int
) -> tuple[bytes | None, tuple[tuple[str, bytes | None], ...], bytes | None, Undecodable | None]:
    """Return key, headers and value of a record, without what exceeds a bound, and the fault that this is."""
    fault = key = value = None
    octets, at = _varint(body, at)
    if octets > MAX_HEADER_BYTES:
        fault = Undecodable("no-event", f"The record's key is longer than {MAX_HEADER_BYTES} bytes.")
    elif octets >= 0:
        key = body[at : at + octets]
    octets, at = _varint(body, at + max(0, octets))
    if octets > most:
        fault = Undecodable.too_large(octets)
    elif octets >= 0:
        value = body[at : at + octets]
    count, at = _varint(body, at + max(0, octets))
    if not 0 <= count <= MOST_HEADERS or end - at > HEADERS_BYTES:
        text = f"The record's headers are more than {MOST_HEADERS}, or longer than {HEADERS_BYTES} bytes."
        fault, count, at = Undecodable("no-event", text), 0, max(at, end)
    headers = []
    for _ in range(count):
        octets, at = _varint(body, at)
        if octets < 0:
            raise ValueError("a header has no name")
        # Terminals, logs and the database can hold the name, whatever its bytes are.
        name = body[at : at + octets].decode(errors="backslashreplace").replace("\0", "\\x00")
        octets, at = _varint(body, at + octets)
        headers.append((name, body[at : at + octets] if octets >= 0 else None))
        at += max(0, octets)
    if at != end:
        raise ValueError("a record differs from its length")
    return key, tuple(headers), value, fault


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Return the zigzag-encoded number that begins here, and where the next field begins. Raises IndexError."""
    octet = body[at]
    if octet < 0x80:
        return (octet >> 1) ^ -(octet & 1), at + 1
    number, shift = octet & 0x7F, 7
    while octet & 0x80:
        if shift >= _VARINT_BITS:
            raise ValueError("a number exceeds 64 bits")
        at += 1
        octet = body[at]
        number |= (octet & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), at + 1
