"""F1: an event on a topic that is not its type's does nothing: not in a turn, not in a snapshot, not at OCSP.

Whoever may write to one topic would otherwise have the rights of all others.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from identities import Identities, InMemory
from servicecert_intake.domain.knowledge import NOTHING_KNOWN as NOTHING_KNOWN_BY_INTAKE
from servicecert_intake.domain.knowledge import apply as apply_to_intake
from servicecert_revoker.domain.knowledge import NOTHING_KNOWN, apply
from servicecert_revoker.ocsp.app import Responder
from servicecert_revoker.ocsp.settings import Settings
from servicecert_schemas.codec import EVENTS
from servicecert_schemas.codec import Record as Made
from servicecert_schemas.export import stored_examples
from servicecert_schemas.topics import ACCOUNTS, CATALOGUE, REGISTERS, SERVICES, Topic, unversioned
from servicecert_worker.core.decider import Decision, Event, Rules, TopicSnapshot
from servicecert_worker.core.record import Arrival, Poison, Record, arrive
from servicecert_worker.kafka.broker import Broker
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.follower import SnapshotFollower
from servicecert_worker.runtime.loop import Loop
from servicecert_worker.runtime.parking import released

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PREFIX = "t1-"
WRITERS = InMemory(PREFIX)
CLUSTER = Cluster("nowhere:1", PREFIX)
POISON_KEY = "6f1c9d52-8f0a-4c58-9b3e-0d9b6a3c7e11"

READS: dict[str, tuple[Topic, ...]] = {
    service: import_module(f"servicecert_{service}.service").READS for service in SERVICES
}
SNAPSHOTS = {
    "intake": TopicSnapshot((REGISTERS, ACCOUNTS), NOTHING_KNOWN_BY_INTAKE, apply_to_intake),
    "revoker": TopicSnapshot((ACCOUNTS,), NOTHING_KNOWN, apply),
}


def record(event_type: str, topic: str, key: str | None = None) -> Record:
    """Return the stored record of a type, on a topic of the cluster, and signed by that topic's writer."""
    (name,) = [each for each in EVENTS if unversioned(each) == f"servicecert.{event_type}"]
    example = stored_examples()[name][0]
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    value = json.dumps(example["value"]).encode()
    made = WRITERS.signed(Made(topic, (key or example["key"]).encode(), headers, value))
    return Record(PREFIX + topic, 0, 7, made.key, made.headers, value, NOW)


def fetched(event_type: str, topic: str, offset: int = 0) -> Record:
    """Return the same as a consumer fetches it."""
    return replace(record(event_type, topic), offset=offset)


IN_TURNS = {
    "an OCSP-signing certificate for the e-service": ("revoker", "ocsp-responder.requested", "revocations"),
    "a forged certificate, so that the real one cannot be revoked": ("revoker", "certificate.issued", "revocations"),
    "a certificate of any content": ("issuer", "application.accepted", "certificate-status"),
    "a block of anybody's key, by intake": ("issuer", "key.compromised", "accepted-applications"),
    "a block of anybody's key, by the notifier": ("intake", "key.compromised", "notifications"),
    "a block of anybody's key, by the e-service": ("intake", "key.compromised", "applications"),
    "the mail of a revocation that never was, by the issuer": ("notifier", "certificate.revoked", "certificates"),
    "a case that looks revoked, by the notifier": ("intake", "certificate.revoked", "notifications"),
    "a revocation by a responder": ("revoker", "revocation.requested", "ocsp-responders"),
    "a revocation by the issuer": ("revoker", "revocation.requested", "certificates"),
    "an issued certificate by the notifier": ("intake", "certificate.issued", "notifications"),
}


@pytest.mark.parametrize("attack", IN_TURNS)
def test_f1_an_event_of_another_topic_is_poison_in_a_turn(attack: str) -> None:
    service, event_type, topic = IN_TURNS[attack]
    assert topic in {read.name for read in READS[service]}
    arrival = arrive(record(event_type, topic), WRITERS.verifier)
    assert isinstance(arrival.what, Poison)
    assert arrival.what.reason == "wrong-topic"


def test_f1_no_type_of_the_catalogue_is_an_event_where_a_service_reads_another() -> None:
    tried = 0
    for service, event in product(SERVICES, EVENTS.values()):
        for topic in READS[service]:
            name = unversioned(event.TYPE).removeprefix("servicecert.")
            what = arrive(record(name, topic.name), WRITERS.verifier).what
            assert isinstance(what, Event) is (event in topic.events), (event.TYPE, topic.name)
            tried += 1
    assert tried == len(EVENTS) * sum(map(len, READS.values()))


def test_f1_without_the_installation_s_prefix_a_topic_is_another_one() -> None:
    assert isinstance(arrive(record("account.opened", "accounts"), WRITERS.verifier).what, Event)
    assert isinstance(arrive(record("account.opened", "accounts"), replace(WRITERS.verifier, prefix="")).what, Poison)


def test_f1_a_record_of_another_topic_holds_up_and_replaces_no_event() -> None:
    """Later events of its key do not wait behind it, and an event with its id is no second copy of it."""
    arrival = arrive(record("revocation.requested", "ocsp-responders"), WRITERS.verifier)
    genuine = arrive(record("revocation.requested", "revocations"), WRITERS.verifier)
    assert arrival.key == f"{PREFIX}ocsp-responders/0/7"
    assert arrival.id != genuine.id


@pytest.mark.parametrize("junk", [b"", b"{}", b"x" * 300_000])
def test_f1_junk_with_the_key_of_another_topic_holds_up_nothing(junk: bytes) -> None:
    """A responder may write to one topic that the revoker reads. It could suppress the revocation of any case."""
    wrong = Record(PREFIX + "ocsp-responders", 0, 7, POISON_KEY.encode(), (), junk, NOW)
    assert arrive(wrong, WRITERS.verifier).key == f"{PREFIX}ocsp-responders/0/7"
    right = Record(PREFIX + "applications", 0, 7, POISON_KEY.encode(), (), junk, NOW)
    assert arrive(right, WRITERS.verifier).key == POISON_KEY, "its own writer's order stays (I5)"


@pytest.mark.parametrize("service", SERVICES)
async def test_f1_a_turn_parks_what_is_on_a_wrong_topic_also_where_it_uses_no_such_event(service: str) -> None:
    rules: Any = Rules(lambda *_: Decision(None), handlers={})
    module: Any = SimpleNamespace(rules=rules)
    loop: Any = object.__new__(Loop)
    loop.service = module
    loop._compacted = frozenset()
    assert loop._is_relevant(arrive(record("audit.checkpoint", READS[service][0].name), WRITERS.verifier))


class Parked:
    """A connection to a database with one released record."""

    def __init__(self, of: Record, event_id: UUID, key: str) -> None:
        headers = json.dumps([[name, b64encode(raw or b"").decode()] for name, raw in of.headers])
        self.row = {"topic": of.topic, "partition": 0, "offset": 7, "record_key": of.key, "headers": headers}
        self.row |= {"value": of.value, "first_at": NOW, "seq": 1, "attempts": 1, "event_id": event_id, "key": key}
        self.row |= {"reason": "invalid", "kept": True, "last_offset": None}

    async def fetch(self, *_: object) -> list[dict[str, object]]:
        return [self.row]


async def test_f1_a_replayed_record_is_read_by_the_topic_that_it_was_parked_from() -> None:
    """Also one that a version without this rule parked as an event. It keeps its place, whatever it decodes to."""
    it, event_id = record("revocation.requested", "ocsp-responders"), UUID(int=9)
    connection: Any = Parked(it, event_id, POISON_KEY)
    (arrival,) = await released(connection, 20, WRITERS.verifier)
    assert isinstance(arrival, Arrival)
    assert isinstance(arrival.what, Poison)
    assert (arrival.id, arrival.key, arrival.what.reason) == (event_id, POISON_KEY, "wrong-topic")


IN_SNAPSHOTS = {
    "the code service, by the e-service (A6, A7, A9)": ("intake", "register.entry", "accounts"),
    "an intruder in any account, by the registers loader": ("intake", "account.member-added", "registers"),
    "an account of any organisation, by the registers loader": ("intake", "account.opened", "registers"),
}


@pytest.mark.parametrize("attack", IN_SNAPSHOTS)
async def test_f1_an_event_of_another_topic_is_not_in_a_snapshot(attack: str) -> None:
    service, event_type, topic = IN_SNAPSHOTS[attack]
    definition: Any = SNAPSHOTS[service]
    assert topic in {each.name for each in definition.topics}
    snapshot = SnapshotFollower(definition, Broker(CLUSTER, service), WRITERS.verifier)
    await snapshot.follower.receive([fetched(event_type, topic)])
    assert snapshot.value == definition.empty
    assert snapshot.follower.skipped == {(topic, "wrong-topic"): 1}


async def test_f1_a_snapshot_takes_no_type_of_another_topic() -> None:
    for service, definition in SNAPSHOTS.items():
        topics: Sequence[Topic] = definition.topics
        for topic, event in product(topics, EVENTS.values()):
            follower: Any = SnapshotFollower[Any](definition, Broker(CLUSTER, service), WRITERS.verifier)
            name = unversioned(event.TYPE).removeprefix("servicecert.")
            await follower.follower.receive([fetched(name, topic.name)])
            assert bool(follower.follower.skipped) is (event not in topic.events), (event.TYPE, topic.name)


async def test_f1_a_record_without_a_value_deletes_nothing_but_on_its_compacted_topic() -> None:
    """Otherwise the e-service could delete entries of the code service."""
    definition: Any = SNAPSHOTS["intake"]
    snapshot = SnapshotFollower(definition, Broker(CLUSTER, "intake"), WRITERS.verifier)
    await snapshot.follower.receive([fetched("register.entry", "registers")])
    assert snapshot.value.registers.systems
    key = record("register.entry", "registers").key
    for topic, offset in (("accounts", 0), ("registers", 1)):
        deletion = Record(PREFIX + topic, 0, offset, key, [], None, NOW)
        await snapshot.follower.receive([deletion])
        assert bool(snapshot.value.registers.systems) is (topic == "accounts")
    assert snapshot.follower.skipped == {("accounts", "no-value"): 1}


@pytest.fixture
def responder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Responder:
    keys = Identities(tmp_path / "service-keys").folder
    settings = Settings(
        bootstrap_servers=CLUSTER.bootstrap,
        topic_prefix=PREFIX,
        ocsp_port=0,
        ocsp_crl_url="http://crl.example.fi",
        service_keys=keys,
    )
    made = Responder(settings, Broker(settings.cluster, "ocsp"), lambda: NOW)
    made._feed._verifier = WRITERS.verifier
    return made


async def test_f1_a_standing_on_the_responders_own_topic_says_nothing_at_ocsp(responder: Responder) -> None:
    """Otherwise one responder could make all others say revoked of every certificate."""
    await responder._feed.receive([fetched("certificate.standing", "ocsp-responders")])
    assert len(responder._standings) == 0
    assert responder._feed.skipped == {("ocsp-responders", "wrong-topic"): 1}
    text = (await responder.metrics()).decode()
    assert 'servicecert_skipped_records_total{reason="wrong-topic",service="ocsp",topic="ocsp-responders"} 1.0' in text
    await responder._feed.receive([fetched("certificate.standing", "certificate-standings")])
    assert len(responder._standings) == 1


async def test_f1_ocsp_takes_no_type_of_another_topic(responder: Responder) -> None:
    for topic in CATALOGUE:
        if topic.name not in ("certificate-standings", "ocsp-responders"):
            continue
        for offset, event in enumerate(EVENTS.values()):
            before = responder._feed.skipped.total()
            name = unversioned(event.TYPE).removeprefix("servicecert.")
            await responder._feed.receive([fetched(name, topic.name, offset)])
            assert (responder._feed.skipped.total() > before) is (event not in topic.events), event.TYPE


async def test_f5_junk_on_a_followed_topic_does_not_fill_the_log(
    responder: Responder, caplog: pytest.LogCaptureFixture
) -> None:
    await responder._feed.receive(
        [fetched("certificate.standing", "ocsp-responders", offset) for offset in range(1_000)]
    )
    assert responder._feed.skipped == {("ocsp-responders", "wrong-topic"): 1_000}
    assert len(caplog.records) == 100
