"""Our uses of private APIs of aiokafka and cryptography: a version that changes them fails here first."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoBrokersAvailable
from aiokafka.protocol.fetch import FetchRequest
from cryptography import x509
from servicecert_pki import read_back
from servicecert_schemas import topics
from servicecert_worker.kafka import internals
from servicecert_worker.kafka.internals import (
    GroupMember,
    client_of,
    is_broken,
    position_of,
    serve_last,
    set_fetch_wait,
    topic_ids,
)
from toy.stand import PARTITIONS, Stand, eventually, numbered

CHECKOUT = Path(__file__).parents[2]


MADE = re.compile(r"= AIOKafkaConsumer\(")
PRIVATE = re.compile(r"aiokafka\.(?:protocol|coordinator)|\b(?:consumer|producer|client|admin)\._[a-z]")


def test_no_other_module_uses_private_apis_of_aiokafka() -> None:
    product = [CHECKOUT / folder for folder in ("worker", "services", "cli", "pki", "schemas", "bench")]
    files = [file for folder in product for file in folder.rglob("*.py") if file.name != "internals.py"]
    assert len(files) > 200
    assert [str(file) for file in files if PRIVATE.search(file.read_text())] == []


async def test_what_we_read_of_a_consumer_in_a_group_and_of_one_in_none(stand: Stand) -> None:
    name = stand.prefix + topics.APPLICATIONS.name
    for group in (None, stand.prefix + "internals"):
        consumer = AIOKafkaConsumer(
            name,
            bootstrap_servers=stand.bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        assert position_of(consumer, TopicPartition(name, 0)) is None
        await consumer.start()
        try:

            async def positioned(consumer: AIOKafkaConsumer = consumer) -> bool:
                await consumer.getmany(timeout_ms=10)
                return [position_of(consumer, TopicPartition(name, each)) for each in range(PARTITIONS)] == [
                    0
                ] * PARTITIONS

            await eventually(positioned)
            assert position_of(consumer, TopicPartition("another", 0)) is None
            assert not is_broken(consumer)
            assert isinstance(client_of(consumer), AIOKafkaClient)
            cluster, ids = await topic_ids(client_of(consumer), [name, "none"])
            assert cluster
            assert list(ids) == [name]
        finally:
            await consumer.stop()


async def test_the_wait_of_fetches_is_set_and_taken_back(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def request(longest_ms: int, least_bytes: int, *rest: Any, **more: Any) -> Any:
        asked.append((longest_ms, least_bytes))
        return FetchRequest(longest_ms, least_bytes, *rest, **more)

    monkeypatch.setattr("aiokafka.consumer.fetcher.FetchRequest", request)
    consumer = AIOKafkaConsumer(stand.prefix + topics.APPLICATIONS.name, bootstrap_servers=stand.bootstrap)
    await consumer.start()
    try:

        async def last_asks(expected: tuple[int, int]) -> bool:
            await consumer.getmany(timeout_ms=10)
            return asked[-1:] == [expected]

        await eventually(partial(last_asks, (500, 1)))
        set_fetch_wait(consumer, 0.02, 32_768)
        await eventually(partial(last_asks, (20, 32_768)))
        set_fetch_wait(consumer, None)
        await eventually(partial(last_asks, (500, 1)))
    finally:
        await consumer.stop()


async def test_a_fetcher_looks_again_once_a_broker_has_answered(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It might have looked between that answer and the end of its task: nothing else would wake it."""
    monkeypatch.setattr(internals, "_LEADER_SECONDS", 3600.0)
    sent = asyncio.Event()

    def request(longest_ms: int, *rest: Any, **more: Any) -> Any:
        if longest_ms == 30_000:
            sent.set()
        return FetchRequest(longest_ms, *rest, **more)

    monkeypatch.setattr("aiokafka.consumer.fetcher.FetchRequest", request)
    consumer = AIOKafkaConsumer(stand.prefix + topics.APPLICATIONS.name, bootstrap_servers=stand.bootstrap)
    await consumer.start()
    try:
        set_fetch_wait(consumer, 30.0)
        await sent.wait()
        looked, look = asyncio.Event(), consumer._fetcher._get_actions_per_node

        def noted(assignment: Any) -> Any:
            looked.set()
            return look(assignment)

        monkeypatch.setattr(consumer._fetcher, "_get_actions_per_node", noted)
        consumer._fetcher._in_flight.discard(99)
        async with asyncio.timeout(10):
            await looked.wait()
    finally:
        await consumer.stop()


@pytest.mark.parametrize(
    "module",
    [
        "servicecert_worker.kafka.broker",
        "servicecert_worker.kafka.reading",
        "servicecert_cli.connections.kafka",
    ],
)
def test_f5_every_module_that_makes_a_consumer_has_its_fetches_read_by_us(module: str) -> None:
    product = [CHECKOUT / folder for folder in ("worker", "services", "cli", "pki", "schemas")]
    makers = [file for folder in product for file in folder.rglob("*.py") if MADE.search(file.read_text())]
    assert len(makers) == 2, "name it above"
    code = f"import {module}; from aiokafka.consumer import fetcher as f; print(f.PartitionRecords, f.MemoryRecords)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split("'")[1::2] == [
        "servicecert_worker.kafka.batches.Fetched",
        "servicecert_worker.kafka.batches.Batches",
    ]


async def test_the_next_poll_begins_with_other_partitions(stand: Stand) -> None:
    """aiokafka alone empties one partition's fetch after the other."""
    name = stand.prefix + topics.APPLICATIONS.name
    await stand.send([event for _ in range(40) for event in numbered(uuid4(), "1")])
    consumer = AIOKafkaConsumer(name, bootstrap_servers=stand.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        read: list[int] = []

        async def has_read_of_each() -> bool:
            more = await consumer.getmany(timeout_ms=1_000, max_records=1)
            serve_last(consumer, more)
            read.extend(partition.partition for partition in more)
            return len(set(read)) == PARTITIONS

        await eventually(has_read_of_each)
        assert len(read) < 3 * PARTITIONS
    finally:
        await consumer.stop()


async def test_what_we_read_of_a_producer(stand: Stand) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stand.bootstrap)
    assert isinstance(client_of(producer), AIOKafkaClient)
    await producer.stop()


def test_a_member_that_reads_nothing_yet() -> None:
    assert GroupMember("member", "client").partitions == set()


def test_the_private_names_of_cryptography_that_certificates_are_read_back_with() -> None:
    assert read_back._ASN1Type.UTF8String.value == 12
    assert read_back._ASN1Type.PrintableString.value == 19
    (attribute,) = x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "FI")])
    assert attribute._type is read_back._ASN1Type.PrintableString


async def test_a_client_that_knows_no_broker_any_more_says_so() -> None:
    """As after a broker that was frozen: aiokafka fails there by an assertion, which ended the exporter."""
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    for asking in (internals.group_members(client, "group"), internals.may_list_acls(client)):
        with pytest.raises(NoBrokersAvailable):
            await asking
