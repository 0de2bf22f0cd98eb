"""What a broker takes of a writer who chooses the bytes holds up nobody but its partition, nor that for long (F5)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from servicecert_launcher import Child
from servicecert_schemas import topics
from servicecert_worker.kafka.partitioner import partitions_with
from servicecert_worker.runtime import parking
from toy.stand import PARTITIONS, Stand, numbered
from worker.raw_batches import CODECS, Raw, batch, send

pytestmark = pytest.mark.usefixtures("measured_processes")

TOPIC = topics.APPLICATIONS.name
MIB = 1024 * 1024
LIMIT = 512 * MIB
"""What a container of a service has."""


def case_of(partition: int) -> UUID:
    """Return a case whose events go to this partition."""
    while True:
        case = uuid4()
        if partitions_with(str(case).encode(), PARTITIONS, PARTITIONS) == [partition]:
            return case


def memory_of(worker: Child) -> int:
    """Return the most memory that a process has had, in octets."""
    (line,) = [each for each in Path(f"/proc/{worker.pid}/status").read_text().splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def attack(stand: Stand, raw: bytes, partition: int = 0) -> bool:
    """Send a batch, and return whether the broker took it."""
    code, _ = await send(stand.producer, stand.prefix + TOPIC, partition, raw)
    return code == 0


async def assert_others_go_on(stand: Stand, handled: int) -> None:
    """Assert that an event behind the attack is handled, in its partition and in another one."""
    await stand.send([event for partition in (0, 1) for event in numbered(case_of(partition), "1")])
    await stand.wait_until(f"select count(*) >= {handled + 2} from inbox")


ATTACKS: dict[str, Callable[[], bytes]] = {
    "a header's name that is not UTF-8": lambda: batch([Raw(b"k", b"v", [(b"\xff\xfe", b"x")])]),
    "a header's name with a null": lambda: batch([Raw(b"k", b"v", [(b"a\0b", b"x")])]),
    "octets behind the end of gzip": lambda: batch([Raw(b"k", b"v")], "gzip", tail=b"tail"),
    "octets behind the end of lz4": lambda: batch([Raw(b"k", b"v")], "lz4", tail=b"tail"),
    "octets behind the end of snappy": lambda: batch([Raw(b"k", b"v")], "snappy", tail=b"t"),
    "offsets of its own choice": lambda: batch([Raw(b"k", b"v", delta=100_000)] * 2),
    "300 megabytes of zstd": lambda: batch([Raw(b"k", bytes(MIB))], "zstd", repeat=300),
    "large values": lambda: batch([Raw(b"k", bytes(700_000))] * 2, "lz4"),
    "100,000 headers": lambda: batch([Raw(b"k", b"v", [(b"", None)] * 100_000)], "zstd"),
    "large headers": lambda: batch([Raw(b"k", b"v", [(b"a", bytes(MIB))] * 4)], "gzip"),
    "a million records": lambda: batch([Raw()], "zstd", repeat=900_000),
    "a large key": lambda: batch([Raw(bytes(MIB), b"v")], "snappy"),
}


@pytest.mark.parametrize("what", ATTACKS)
async def test_f5_i6_a_batch_that_no_producer_of_ours_writes_is_parked_and_holds_up_nothing(
    stand: Stand, what: str
) -> None:
    worker = stand.work()
    assert await attack(stand, ATTACKS[what]()), "no attack: the broker refuses it"
    await stand.wait_until("select count(*) > 0 from parked")
    await assert_others_go_on(stand, 0)
    assert memory_of(worker) < LIMIT
    assert await stand.fetchval("select sum(length(coalesce(value, '')) + length(headers::text)) from parked") < 1_000
    assert worker.stop(60) == 0


async def test_f5_an_unreadable_batch_is_one_parked_record_with_its_offsets(stand: Stand) -> None:
    stand.work()
    assert await attack(stand, batch([Raw(b"k", b"v")] * 7, "gzip", tail=b"tail"))
    await stand.wait_until("select count(*) from parked", 1)
    await assert_others_go_on(stand, 0)
    async with stand.pool.acquire() as connection:
        (record,) = await parking.find(connection, parking.Selection())
    assert (record.reason, record.kept, str(record.place).removeprefix(stand.prefix)) == (
        ("unreadable-batch", False, f"{TOPIC}/0/0-6")
    )
    assert record.error.startswith("Offsets 0 to 6 cannot be read: ")


async def test_f5_much_junk_of_a_partition_is_parked_as_one_and_delays_its_own_partition_alone(stand: Stand) -> None:
    """150,000 records in 130 kB, in batches that are each as large as one may be."""
    worker = stand.work()
    for _ in range(10):
        assert await attack(stand, batch([Raw()], "zstd", repeat=15_000))
    await assert_others_go_on(stand, 0)
    for last in range(14_999, 150_000, 15_000):
        await stand.wait_until(f"select max(last_offset) >= {last} from parked", True)
    assert await stand.pool.fetchval("select max(last_offset) from parked") == 149_999
    counted = await stand.pool.fetch("select reason, count(*) as rows from parked group by reason")
    rows = {row["reason"]: row["rows"] for row in counted}
    assert rows.keys() == {"no-value", "junk"}
    assert 60 <= rows["no-value"] <= 120
    assert rows["junk"] < 2_000
    assert memory_of(worker) < LIMIT


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
async def test_f5_i6_whatever_bytes_a_broker_takes_what_comes_behind_them_is_handled(stand: Stand, seed: int) -> None:
    """Drawn over names, values, codecs, tails, counts and sizes. Most of them a broker refuses; it decides, not we."""
    draw = random.Random(seed)
    worker = stand.work()
    taken = 0
    for number in range(1, 121):
        taken += await attack(stand, drawn_batch(draw))
        if number % 40 == 0:
            await assert_others_go_on(stand, number // 40 * 2 - 2)
    assert taken > 20
    assert memory_of(worker) < LIMIT
    assert worker.stop(60) == 0


def drawn_batch(draw: random.Random) -> bytes:
    """Return a batch of drawn records, in some of which one thing is wrong.

    Few octets behind Snappy's end: the broker takes them for the length of another frame, and has not so much memory.
    """
    records = [drawn_record(draw) for _ in range(draw.choice((1, 1, 2, 5)))]
    wrong = draw.choice(("", "", "delta", "count", "tail", "time"))
    if wrong == "delta":
        records[0] = replace(records[0], delta=draw.choice((1, 7, 100_000, 1_000_000_000)))
    codec = "none" if wrong == "delta" else draw.choice(list(CODECS))
    octets = draw.choice((1, 2, 3) if codec == "snappy" else (1, 4, 200))
    return batch(
        records,
        codec,
        tail=draw.randbytes(octets) if wrong == "tail" else b"",
        count=draw.choice((0, len(records) + 1, -1)) if wrong == "count" else None,
        written=draw.choice((0, -1, -(1 << 62))) if wrong == "time" else None,
        repeat=draw.choice((1, 1, 1, 20)),
    )


def drawn_record(draw: random.Random) -> Raw:
    names = (b"ce_id", b"ce_type", b"ce_time", b"\xff", b"\0", b"", b"x" * 2_000, draw.randbytes(3))
    values = (None, b"", b"v", draw.randbytes(30), bytes(3_000))
    headers = [(draw.choice(names), draw.choice(values)) for _ in range(draw.choice((0, 0, 2, 9, 90)))]
    key = draw.choice((None, b"k", b"a\0b", b"\xff", bytes(5_000), str(case_of(0)).encode()))
    return Raw(key, draw.choice((*values, bytes(30_000))), headers)
