"""Three brokers with three copies of each topic, as in production, of which one dies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest
from commandline import run_process
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.watching.conditions import Severity
from servicecert_cli.watching.doctor.domain.check import Check
from servicecert_cli.watching.doctor.examine import examine
from servicecert_launcher import Kafka
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.kafka.cluster import Cluster
from toy.brokers import COUNT, three_brokers

pytestmark = pytest.mark.long
NAMES = ("KafkaDown", "Brokers", "Topics", "CopiesMissing", "Replication", "MinInSync")


@pytest.fixture(scope="module")
def brokers() -> Iterator[list[Kafka]]:
    with three_brokers() as started:
        yield started


async def look() -> dict[str, Check]:
    return {check.name: check for check in await examine(NAMES)}


@pytest.mark.parametrize(("in_sync", "severity"), [(1, Severity.WARNING), (2, Severity.OK), (3, Severity.WARNING)])
async def test_the_copies_in_sync_that_each_record_needs(brokers, monkeypatch, in_sync, severity):
    bootstrap, prefix = ",".join(broker.bootstrap for broker in brokers), f"needs-{in_sync}."
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", bootstrap)
    monkeypatch.setenv("SERVICECERT_TOPIC_PREFIX", prefix)
    await create_topics(Cluster(bootstrap, prefix), CATALOGUE, COUNT, in_sync)
    async with asyncio.timeout(60):
        # Each broker learns of new topics by itself.
        while (found := await look())["CopiesMissing"].severity is not Severity.OK:
            pass
    assert {name: check.severity for name, check in found.items()} == {
        **dict.fromkeys(NAMES, Severity.OK),
        "MinInSync": severity,
    }
    assert found["Brokers"].finding == "None is missing; those that are up: 3."


def test_a_broker_that_dies_is_named(brokers, monkeypatch):
    bootstrap, prefix = ",".join(broker.bootstrap for broker in brokers), "dies."
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", bootstrap)
    monkeypatch.setenv("SERVICECERT_TOPIC_PREFIX", prefix)
    made = run_process("topics", "create").out
    assert made == f"Created {len(CATALOGUE)} topics with {COUNT} copies of each record; 0 existed already.\n"
    brokers[0].kill()
    deadline = time.monotonic() + 60
    try:
        # Until the controller has noticed, the others still name it. As a process: aiokafka leaves connections open.
        while (found := by_process())["Brokers"]["severity"] != "warning":
            assert time.monotonic() < deadline
    finally:
        brokers[0].restart()
    faults = {name: check["severity"] for name, check in found.items() if check["severity"] != "ok"}
    assert faults == {"Brokers": "warning", "CopiesMissing": "warning"}
    assert found["Brokers"]["finding"].startswith("Down: broker ")


def by_process() -> dict[str, dict[str, str]]:
    done = run_process("doctor", "--json", "--only", ",".join(NAMES))
    return {check["name"]: check for check in json.loads(done.out)}
