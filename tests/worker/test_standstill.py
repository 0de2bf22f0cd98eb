"""A partition that cannot be read: it is known, and the runbook's commands step over it at a real broker."""

from __future__ import annotations

import asyncio
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import kafka_tools
import pytest
from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from docs.pages import CHECKOUT
from identities import Identities
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections import kafka
from servicecert_cli.registers.loading import publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_launcher import Parts
from servicecert_schemas.event import Change
from servicecert_schemas.topics import APPLICATIONS, REGISTERS
from servicecert_worker.audit.chain import Chain
from servicecert_worker.core.signatures import Verifier
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import Follower
from servicecert_worker.kafka.partitioner import partition_for
from servicecert_worker.kafka.positions import Standstill
from servicecert_worker.kafka.source import Source
from servicecert_worker.runtime.settings import WorkerSettings
from servicecert_worker.runtime.worker import Worker
from servicecert_worker.storage.database import KnownDatabase
from toy import service as toy
from toy.app import subscribe
from toy.stand import Stand, eventually, numbered
from worker.test_source import Reading

from docs import pages

PAGE = CHECKOUT / "docs" / "runbook" / "groups.md"
GROUPS, RECORDS, DUMP = "kafka-consumer-groups.sh", "kafka-delete-records.sh", "kafka-dump-log.sh"
HERE, THERE = ("applications", 0), ("applications", 1)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kafka_tools.install(tmp_path_factory.mktemp("tools"), GROUPS, RECORDS, DUMP)


async def stepped_over(tools: Path, folder: Path, bootstrap: str, tool: str, words: Mapping[str, str]) -> None:
    """Run the page's commands with this tool, as the broker's administrator does."""
    (block,) = [block.text for block in pages.blocks(PAGE) if tool in block.text]
    for word, value in words.items():
        block = re.sub(rf"\b{word}\b", value, block)
    config = folder / "admin.properties"
    config.touch()
    given = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_ADMIN_CONFIG": str(config)}
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    command = await asyncio.create_subprocess_exec(
        *("sh", "-eu", "-c", block), cwd=folder, env={**os.environ, **given, "PATH": path}
    )
    assert await command.wait() == 0


def damaged(parts: Parts, partition: TopicPartition) -> Path:
    """Change an octet of the second batch of a partition on the broker's disk; return its file."""
    assert parts.kafka is not None
    (log,) = (parts.kafka._home() / "logs" / f"{partition.topic}-{partition.partition}").glob("*.log")
    with log.open("r+b") as file:
        for _ in range(2):
            start = file.seek(0, os.SEEK_CUR)
            (length,) = struct.unpack(">8xi", file.read(12))
            file.seek(start + 12 + length)
        file.seek(-1, os.SEEK_CUR)
        (octet,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([octet ^ 1]))
    return log


async def ends_of_batch(tools: Path, log: Path) -> tuple[int, int]:
    """Return the first and the last offset of the batch that differs from its checksum, as Kafka's own tool says."""
    command = await asyncio.create_subprocess_exec(tools / DUMP, "--files", str(log), stdout=asyncio.subprocess.PIPE)
    printed, _ = await command.communicate()
    (line,) = [each for each in printed.decode().splitlines() if "isvalid: false" in each]
    found = re.search(r"baseOffset: (\d+) lastOffset: (\d+)", line)
    assert found is not None
    return int(found[1]), int(found[2])


async def test_f5_a_source_knows_what_it_cannot_read_reads_the_rest_and_the_runbook_steps_over_it(
    stand: Stand, parts: Parts, tools: Path
) -> None:
    partition = TopicPartition(stand.prefix + APPLICATIONS.name, 0)
    # With 20 cases each of the four partitions has some.
    for _ in range(3):
        await stand.send([each for _ in range(20) for each in numbered(uuid4(), *"abc")])
    sent = {(each.partition, each.offset) for each in await stand.records(APPLICATIONS.name)}
    log = damaged(parts, partition)
    first, last = await ends_of_batch(tools, log)
    assert 0 < first <= last < len([each for each in sent if each[0] == 0]) - 1
    behind = {each for each in sent if each[0] == 0 and each[1] >= first}

    async with Reading(stand, "stalled") as reading:

        async def stalled() -> bool:
            return reading.take() == len(sent - behind) and bool(reading.source.standstill.offsets)

        await eventually(stalled)
        assert reading.source.standstill.offsets == {partition: first}
        assert {(each.partition, each.offset) for each in reading.taken} == sent - behind
    words = {"SERVICE": stand.prefix + "stalled", "TOPIC": partition.topic, "PARTITION": "0", "NEXT": str(last + 1)}
    await stepped_over(tools, stand.folder, stand.bootstrap, GROUPS, words)
    async with Reading(stand, "stalled") as reading:
        left = {each for each in behind if each[1] > last}

        async def rest() -> bool:
            return reading.take() == len(left)

        await eventually(rest)
        assert {(each.partition, each.offset) for each in reading.taken} == left
        assert reading.source.standstill.offsets == {}


async def configure(cluster: Cluster, config: Mapping[str, str]) -> None:
    async with kafka.admin(cluster) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, cluster.name(REGISTERS), config)])


async def test_f5_a_follower_reads_on_once_what_it_cannot_read_is_deleted(
    parts: Parts, tools: Path, tmp_path: Path
) -> None:
    cluster = Cluster(parts.bootstrap, f"standstill-{uuid4().hex[:8]}.")
    await create_topics(cluster, [REGISTERS])
    entries = list(read_register(FICTITIOUS_REGISTERS))
    for _ in range(3):
        await publish_entries(cluster, entries)
    place = partition_for(entries[0].entry_id.encode(), every := range(REGISTERS.partitions), every)
    partition = TopicPartition(cluster.name(REGISTERS), place)
    first, last = await ends_of_batch(tools, damaged(parts, partition))
    taken: list[Change] = []

    async def reached(_: object) -> None:
        return None

    broker = Broker(cluster, "toy")
    follower = Follower(broker, [REGISTERS], taken.extend, reached, Verifier({}))
    watching = asyncio.create_task(follower.watch())
    await broker.start()
    try:

        async def stalled() -> bool:
            return follower.standstill.offsets == {partition: first}

        await eventually(stalled)
        # A compacted topic deletes nothing else.
        await configure(cluster, {**REGISTERS.config, "cleanup.policy": "compact,delete"})
        words = {"TOPIC": partition.topic, "PARTITION": str(place), "NEXT": str(last + 1)}
        await stepped_over(tools, tmp_path, cluster.bootstrap, RECORDS, words)

        async def reads() -> bool:
            return len(taken) == 3 * len(entries) - (last + 1 - first) and not follower.standstill.offsets

        await eventually(reads)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await broker.stop()


async def test_f5_a_worker_that_cannot_read_a_partition_is_not_ready_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", "DATABASE_URL": "postgresql://nowhere:1/none"}
    settings = WorkerSettings(**places, **Identities(tmp_path / "service-keys", ["toy"]).environment("toy"))
    broker = Broker(settings.cluster, "toy")
    source = Source(broker, ["applications"], "toy")
    subscribe(broker, source)
    no_pool: Any = None
    worker = Worker(toy.toy(tmp_path / "acts", 0), settings, no_pool, KnownDatabase(), broker, source)
    monkeypatch.setattr(Chain, "begun", True)
    for _ in range(3):
        assert worker.ready() == (True, "ready")
        source.standstill.reopened({HERE: 17})
    assert worker.ready() == (
        False,
        "applications, partition 0, cannot be read at offset 17: see the alert PartitionStalled",
    )
    assert (
        b'servicecert_stalled_offset{partition="0",service="toy",topic="applications"} 17.0' in await worker.metrics()
    )
    source.standstill.reads({HERE: 18})
    assert worker.ready() == (True, "ready")
    assert b"servicecert_stalled_offset{" not in await worker.metrics()


def reopened(*offsets: Mapping[tuple[str, int], int]) -> Standstill:
    standstill = Standstill()
    for each in offsets:
        standstill.reopened(each)
    return standstill


def test_f5_three_reopenings_at_one_offset_are_a_standstill_and_further_ones_too() -> None:
    assert reopened(*[{HERE: 7}] * 2).offsets == {}
    assert reopened(*[{HERE: 7}] * 2).reason is None
    assert reopened(*[{HERE: 7}] * 3).offsets == {HERE: 7}
    assert reopened(*[{HERE: 7, THERE: 9}] * 4).offsets == {HERE: 7, THERE: 9}


def test_f5_a_partition_that_got_further_in_between_does_not_stand_still() -> None:
    assert reopened({HERE: 7}, {HERE: 7}, {HERE: 8}, {HERE: 8}).offsets == {}
    assert reopened({HERE: 7}, {}, {HERE: 7}, {THERE: 1}, {HERE: 7}).offsets == {HERE: 7}


@pytest.mark.parametrize(
    ("offsets", "stalled"),
    [
        pytest.param({}, True, id="no partition is assigned yet"),
        pytest.param({HERE: None}, True, id="the offset is not known yet"),
        pytest.param({HERE: 5}, True, id="what was not committed is read again"),
        pytest.param({HERE: 7}, True, id="it is where it was"),
        pytest.param({HERE: 8}, False, id="it got further"),
        pytest.param({THERE: 3}, False, id="another worker has it"),
    ],
)
def test_f5_a_standstill_lasts_until_the_partition_gets_further(offsets, stalled) -> None:
    standstill = reopened(*[{HERE: 7}] * 3)
    standstill.reads(offsets)
    assert (standstill.offsets == {HERE: 7}) is stalled


def test_f5_a_partition_that_workers_have_in_turn_stands_still_for_each_of_them() -> None:
    standstill = reopened(*[{HERE: 7}] * 9)
    standstill.reads({THERE: 3})
    assert standstill.offsets == {}
    standstill.reopened({HERE: 7})
    assert standstill.offsets == {HERE: 7}
