"""F1: commands take no event from another topic than its own: none is shown, counted or compared."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from commandline import do
from servicecert_cli.connections import kafka
from servicecert_cli.operations import cases
from servicecert_cli.registers.loading import current_entries
from servicecert_cli.stand.topic_reader import _seen
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.codec import EVENTS, Record, decode
from servicecert_schemas.event import Change
from servicecert_schemas.export import stored_examples
from servicecert_schemas.register import RegisterEntry
from servicecert_schemas.revocation import StandingChanged
from servicecert_schemas.topics import (
    ACCOUNTS,
    CASES,
    CATALOGUE,
    CERTIFICATE_STANDINGS,
    CERTIFICATES,
    NOTIFICATIONS,
    REGISTERS,
    TOPICS,
    Topic,
)
from servicecert_worker.core.clock import machine_clock
from servicecert_worker.core.record import Record as Fetched

CASE, ISSUED, ENTRY, STANDING = (each.TYPE for each in (CaseChanged, CertificateIssued, RegisterEntry, StandingChanged))


def record(event_type: str, topic: Topic, value: bytes | None = b"stored") -> Record:
    """Return the stored record of a type, for a topic that may be another's."""
    example = stored_examples()[event_type][0]
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    stored = json.dumps(example["value"]).encode()
    content: Any = stored if value == b"stored" else value
    return Record(topic.name, example["key"].encode(), headers, content)


def key(event_type: str) -> str:
    return str(stored_examples()[event_type][0]["key"])


@pytest.fixture
def attacked(cluster):
    """Every topic that a command reads has events of other topics, and accounts a record without a value."""

    async def send():
        async with kafka.producer(cluster) as producer:
            await kafka.send(
                producer,
                cluster,
                [
                    record(ISSUED, CASES),
                    record(CASE, CERTIFICATES),
                    record(CASE, NOTIFICATIONS),
                    record(STANDING, CERTIFICATES),
                    record(CASE, CERTIFICATE_STANDINGS),
                    record(CASE, REGISTERS),
                    record(ENTRY, ACCOUNTS),
                    record(ENTRY, ACCOUNTS, None),
                ],
            )

    do(send)
    return cluster


def test_f1_a_command_reads_no_event_of_another_topic(attacked, servicecert):
    assert do(lambda: cases.newest(attacked, UUID(key(CASE)))) is None
    assert do(lambda: current_entries(attacked)) == {}
    account = stored_examples()[CASE][0]["value"]["account_id"]
    assert "no case of the account" in servicecert("cases", "--account", account, "--json").stderr


def test_f1_a_skipped_record_is_reported_with_its_reason(attacked):
    def skipped(topic):
        reasons: list[str] = []
        taken: list[Change] = []
        do(lambda: kafka.read(attacked, topic, taken.append, skip=lambda _, fault: reasons.append(fault.code)))
        assert taken == []
        return reasons

    assert skipped(CERTIFICATES) == ["wrong-topic"] * 2
    assert sorted(skipped(ACCOUNTS)) == ["no-value", "wrong-topic"]


def test_f1_watching_a_case_shows_no_event_of_another_topic(attacked):
    """A good view that follows the others is the first one that is shown."""

    async def first():
        async with kafka.producer(attacked) as producer:
            forged = record(ISSUED, CASES)
            await kafka.send(
                producer, attacked, [Record(forged.topic, key(CASE).encode(), forged.headers, forged.value)]
            )
            await kafka.send(producer, attacked, [record(CASE, CASES)])
        changes = cases.changes(attacked, UUID(key(CASE)))
        try:
            return await anext(changes)
        finally:
            await changes.aclose()

    assert do(first).state == stored_examples()[CASE][0]["value"]["state"]


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_f1_the_board_s_reader_has_data_of_a_topic_s_own_types_only(event):
    for topic in CATALOGUE:
        made = record(event.TYPE, topic)
        fetched = Fetched("x." + topic.name, 0, 0, made.key, made.headers, made.value, machine_clock())
        assert (_seen(fetched, "x.").data is not None) is (event in topic.events)


def test_f1_the_stored_records_are_events_on_their_own_topics():
    """Otherwise the tests above would show nothing."""
    for event_type in (CASE, ISSUED, ENTRY, STANDING):
        made = record(event_type, TOPICS[stored_examples()[event_type][0]["topic"]])
        assert decode(made.topic, made.key, made.headers, made.value)
