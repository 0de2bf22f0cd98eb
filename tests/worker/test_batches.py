"""Batches of bytes that no producer of ours writes: each is read whole, or is one fault in its place (F5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st
from servicecert_schemas.topics import MAX_EVENT_BYTES
from servicecert_worker.core.record import Record
from servicecert_worker.kafka.batches import HEADERS_BYTES, MOST_HEADERS, MOST_RECORDS, UNPACKED_BYTES, Batches, Fetched
from worker.raw_batches import CODECS, Raw, batch

PLACE = TopicPartition("applications", 3)
GOOD = Raw(b"key", b"value", [(b"name", b"raw"), (b"null", None)])
MIB = 1024 * 1024
WRITTEN = 1_790_000_000_000


def read(raw: bytes, offset: int = 0) -> list[Record]:
    """Read an answer as aiokafka's fetcher does, from an offset on; a fetch ends there where the last one ended."""
    found: list[Record] = []
    while True:
        fetched = Fetched(PLACE, Batches(raw), [], offset)
        found += fetched
        if fetched.next_fetch_offset == offset:
            return found
        offset = fetched.next_fetch_offset


def faults(records: Sequence[Record]) -> list[str | None]:
    return [None if record.fault is None else record.fault.code for record in records]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1, 7, 300])
def test_what_a_producer_writes_is_read_in_every_codec(codec: str, count: int) -> None:
    builder: Any = DefaultRecordBatchBuilder(2, CODECS[codec][0], 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        builder.append(number, WRITTEN + number, b"k%d" % number, None, [("a", b"1"), ("b", None), ("ä", b"")])
    raw = bytes(builder.build())
    records = read(raw)
    assert [(each.offset, each.key, each.value) for each in records] == [(n, b"k%d" % n, None) for n in range(count)]
    assert {tuple(each.headers) for each in records} == {(("a", b"1"), ("b", None), ("ä", b""))}
    assert [each.written.timestamp() * 1000 for each in records] == [WRITTEN + n for n in range(count)]
    assert read(raw, count - 1) == records[-1:]


@pytest.mark.parametrize(
    ("name", "text"), [(b"\xff\xfe", "\\xff\\xfe"), (b"a\0b", "a\\x00b"), (b"", ""), ("ä".encode(), "ä")]
)
def test_f5_a_header_may_have_any_name(name: bytes, text: str) -> None:
    (record,) = read(batch([Raw(b"k", b"v", [(name, b"raw")])]))
    assert (record.headers, record.fault) == (((text, b"raw"),), None)


BROKEN = {
    "a header without a name": Raw(headers=[(None, b"raw")]),
    "more headers than there are": Raw(b"k", b"v", [(b"a", b"b")], count=9),
    "more than its parts": Raw(b"k", b"v", tail=b"tail"),
    "an offset behind the batch": Raw(b"k", b"v", delta=2_000_000),
    "an offset before the batch": Raw(b"k", b"v", delta=-7),
    "an offset twice": Raw(b"k", b"v", delta=0),
}


@pytest.mark.parametrize("what", BROKEN)
def test_i6_f5_what_cannot_be_read_is_one_fault_from_there_to_the_end_of_its_batch(what: str) -> None:
    raw = batch([GOOD, BROKEN[what], GOOD])
    good, unreadable = read(raw)
    assert (good.key, good.fault) == (b"key", None)
    assert (unreadable.fault.code, unreadable.offset, unreadable.last, unreadable.next_offset) == (
        ("unreadable-batch", 1, 2, 3)
    )
    assert read(raw, 2) == [unreadable]


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
@pytest.mark.parametrize("pack", ["tail", "cut", "junk", "empty", "bomb"])
def test_f5_what_does_not_unpack_is_one_fault(codec: str, pack: str) -> None:
    packed = CODECS[codec][1]
    ways = {
        "tail": lambda body: packed(body) + b"tail",
        "cut": lambda body: packed(body)[:-5],
        "junk": lambda _: bytes(range(200)),
        "empty": lambda _: b"",
        "bomb": lambda _: packed(bytes(64 * MIB)),
    }
    (unreadable,) = read(batch([GOOD, GOOD], codec, pack=ways[pack]))
    assert (unreadable.fault.code, unreadable.offset, unreadable.last) == ("unreadable-batch", 0, 1)


def test_what_javas_producers_pack_with_snappy_is_read() -> None:
    """In frames, each after its length."""

    def framed(body: bytes) -> bytes:
        halves = [bytes(cramjam.snappy.compress_raw(part)) for part in (body[:20], body[20:])]
        frames = b"".join(len(half).to_bytes(4, "big") + half for half in halves)
        return b"\x82SNAPPY\0" + (1).to_bytes(4, "big") * 2 + frames

    assert faults(read(batch([GOOD] * 3, "snappy", pack=framed))) == [None] * 3
    assert faults(read(batch([GOOD] * 3, "snappy", pack=lambda body: framed(body)[:-3]))) == ["unreadable-batch"]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (Raw(b"k", bytes(MAX_EVENT_BYTES + 1)), "too-large"),
        (Raw(b"k" * 1_001, b"v"), "no-event"),
        (Raw(b"k", b"v", [(b"a", b"b")] * (MOST_HEADERS + 1)), "no-event"),
        (Raw(b"k", b"v", [(b"a", bytes(HEADERS_BYTES))]), "no-event"),
    ],
    ids=["value", "key", "many-headers", "long-headers"],
)
def test_f5_what_exceeds_a_bound_is_left_out_and_the_rest_is_read(record: Raw, code: str) -> None:
    before, large, after = read(batch([GOOD, record, GOOD]))
    assert (before.fault, after.fault, large.fault.code, large.last) == (None, None, code, None)
    octets = len(large.key or b"") + len(large.value or b"") + sum(len(raw or b"") for _, raw in large.headers)
    assert octets < 1_100


def test_f5_a_batch_of_many_small_records_is_one_fault() -> None:
    """Whoever reads on within it reads it from its beginning: after a restart, after each rebalance."""
    assert len(read(batch([Raw()], "zstd", repeat=MOST_RECORDS))) == MOST_RECORDS
    (unreadable,) = read(batch([Raw()], "zstd", repeat=MOST_RECORDS + 1))
    assert (unreadable.fault.code, unreadable.last) == ("unreadable-batch", MOST_RECORDS)


def test_f5_a_fetch_ends_after_as_much_as_a_batch_may_unpack_to() -> None:
    """Many small batches of much are not unpacked at once."""
    answer = batch([Raw(b"k", bytes(200_000))] * 30, "zstd") * 10
    fetched = Fetched(PLACE, Batches(answer), [], 0)
    assert sum(len(record.value or b"") for record in fetched) <= 2 * UNPACKED_BYTES


def test_a_batch_that_differs_from_its_checksum_is_fetched_again() -> None:
    raw = bytearray(batch([GOOD]))
    raw[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        read(bytes(raw))
    fetched = Fetched(PLACE, Batches(batch([GOOD] * 3) + bytes(raw)), [], 1)
    # What is before it is read, and the next fetch begins where it does.
    assert ([each.offset for each in fetched], fetched.next_fetch_offset) == ([1, 2], 3)


def test_a_batch_of_an_old_format_and_control_records() -> None:
    old = bytearray(batch([GOOD]))
    old[16] = 1
    assert faults(read(bytes(old))) == ["unreadable-batch"]
    assert read(batch([GOOD], attributes=0x20)) == []
    assert faults(read(batch([GOOD], attributes=0x07))) == ["unreadable-batch"]


def test_an_answer_that_ends_within_a_batch_is_read_up_to_there() -> None:
    whole = batch([GOOD])
    for length in range(len(whole)):
        assert not Batches(whole[:length]).has_next()
    assert Batches(whole + whole[:20]).size_in_bytes() == len(whole) + 20


@given(st.data())
def test_f5_whatever_octets_a_batch_has_it_is_read_or_is_a_fault(data: st.DataObject) -> None:
    """Any cut, changed octet or insertion of a body, with a checksum that fits: a broker's checks are not ours."""
    records = [GOOD, Raw(b"k", b"v" * 40, [(b"name", b"r" * 9)] * 3), GOOD]
    codec = data.draw(st.sampled_from(list(CODECS)))

    def mutated(body: bytes) -> bytes:
        packed = CODECS[codec][1](body)
        at = data.draw(st.integers(0, len(packed)))
        return packed[:at] + data.draw(st.binary(max_size=12)) + packed[at + data.draw(st.integers(0, 12)) :]

    found = read(batch(records, codec, pack=mutated, count=data.draw(st.integers(-2, 6))))
    assert all(first.next_offset <= second.offset for first, second in pairwise(found))
    assert all(record.fault is None or record.fault.code in ("unreadable-batch", "no-event") for record in found)
    assert all(0 <= record.offset < record.next_offset <= 3 for record in found)


@given(st.binary(max_size=120))
def test_f5_any_octets_in_place_of_records(body: bytes) -> None:
    assert all(record.next_offset <= 2 for record in read(batch([GOOD, GOOD], pack=lambda _: body)))
