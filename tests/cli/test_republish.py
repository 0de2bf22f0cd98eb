"""What a service's topics have lost is published again as it was: the tables keep it (F7, I1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from commandline import do, one_sentence, read_json
from identities import Identities
from psycopg.rows import dict_row
from recycling import Migrated
from servicecert_cli.admin import topics
from servicecert_cli.connections import kafka
from servicecert_cli.operations import republishing
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.event import Envelope, EventData
from servicecert_schemas.headers import headers_of
from servicecert_schemas.revocation import CertificateRevoked, StandingChanged
from servicecert_schemas.topics import CATALOGUE, CERTIFICATES, TOPIC_OF, journal_topic
from servicecert_worker.core.service_keys import make_keys
from servicecert_worker.kafka.cluster import Cluster
from servicecert_worker.kafka.fence import Fence
from servicecert_worker.runtime.publishing import Outgoing, producer_of, send_all
from servicecert_worker.storage.outbox import publish
from services.handler import example

NOW = datetime.now(UTC)
Row = dict[str, Any]


class Tables:
    """A service's tables in a database of their own, and the environment of its process."""

    def __init__(self, service: str, url: str, admin_url: str, identities: Identities, cluster: Cluster) -> None:
        self.service, self.url, self.admin_url = service, url, admin_url
        self.identities, self.cluster = identities, cluster
        self.signer = identities.signer(service)

    def published(self, *events: EventData, at: datetime = NOW) -> list[Row]:
        """Return events that the relay has published, and that the tables keep. No topic has them yet."""

        async def put() -> None:
            connection = await asyncpg.connect(self.url, server_settings={"search_path": self.service})
            for data in events:
                await publish(connection, self.signer, TOPIC_OF[data.TYPE].name, [(uuid4(), data, at)])
            await connection.execute("delete from changes")
            await connection.close()

        do(put)
        return self.rows("select * from events order by id desc limit %s", len(events))[::-1]

    def in_topic(self, rows: Iterable[Row], **changes: Any) -> None:
        """Let the topics have the records of events, as the relay publishes them."""
        names = ("topic", "key", "event_id", "type", "traceparent", "at", "payload", "signature")
        outgoing = [Outgoing(*({**row, **changes}[name] for name in names)) for row in rows]

        async def send() -> None:
            async with producer_of(self.cluster, self.service) as producer:
                await send_all(producer, self.cluster.prefix, self.signer.source, outgoing)

        do(send)

    def journaled(self, *looks: tuple[int, int, UUID]) -> None:
        """Let the journal have looks: the epoch, the number, and what each found."""
        topic, now = journal_topic(self.service).name, datetime.now(UTC)
        for epoch, look, change in looks:
            part = {"epoch": epoch, "look": look, "part": 0, "last": True, "changes": [str(change)], "groups": []}
            payload, id = json.dumps(part).encode(), uuid4()
            row = {"topic": topic, "key": self.service, "event_id": id, "type": "rows", "payload": payload, "at": now}
            signature = self.signer.sign(topic, self.service, id, "rows", payload, now)
            self.in_topic([{**row, "traceparent": None, "signature": signature, "id": None}])

    def rows(self, query: str, *arguments: Any) -> list[Row]:
        with psycopg.connect(self.admin_url, row_factory=dict_row) as connection:
            connection.execute(f"set search_path to {self.service}")
            found = connection.execute(query, arguments)
            return found.fetchall() if found.description else []

    def outbox(self) -> list[Row]:
        return self.rows("select * from outbox order by id")

    def require_passing(self) -> None:
        """F7: a worker may start."""

        async def compare() -> None:
            connection = await asyncpg.connect(self.url, server_settings={"search_path": self.service})
            verifier = self.identities.verifier(self.cluster.prefix)
            await Fence(self.cluster, self.service, verifier).require_known(connection.fetch)
            await connection.close()

        do(compare)


@pytest.fixture
def identities(tmp_path) -> Identities:
    return Identities(tmp_path / "service-keys")


@pytest.fixture
def tables(migrated: Callable[..., Migrated], identities, empty_cluster, monkeypatch) -> Callable[[str], Tables]:
    """Return a service's tables; the environment is that of its process."""

    def of(service: str) -> Tables:
        made = migrated(**{service: [import_module(f"servicecert_{service}.service").MIGRATIONS]})
        url = made.urls[service]
        for name, value in {**identities.environment(service), "DATABASE_URL": url}.items():
            monkeypatch.setenv(name, value)
        return Tables(service, url, made.admin_url, identities, empty_cluster)

    return of


@pytest.fixture
def revoker(tables: Callable[[str], Tables], empty_cluster) -> Tables:
    create_topics(empty_cluster)
    made: Tables = tables("revoker")
    return made


def create_topics(cluster) -> None:
    do(lambda: topics.create(cluster, CATALOGUE))


def counts(rows) -> dict[str, tuple[int, int, int]]:
    """Return by topic what is in the topic, in the outbox and missing."""
    return {row["topic"]: (row["in_topic"], row["in_outbox"], row["missing"]) for row in rows}


def standing(serial: str) -> StandingChanged:
    return example(StandingChanged, serial=serial)


def test_D8_I7_a_topic_that_was_lost_is_filled_with_what_was_published(
    servicecert, empty_cluster, tables, identities, monkeypatch
):
    monkeypatch.setattr(republishing, "_AT_ONCE", 2)
    revoker = tables("revoker")
    rows = revoker.published(*(standing(f"{number:02x}") for number in range(1, 6)))
    done = servicecert("republish", "revoker", "--yes")
    assert (done.exit_code, "topics create" in one_sentence(done.stderr)) == (78, True)
    create_topics(empty_cluster)
    revoker.in_topic(rows[:1])
    # F2: a record that the revoker has not signed says nothing, here as to responders.
    revoker.in_topic(rows[1:2], signature=None)
    revoker.in_topic(rows[2:3], signature=rows[3]["signature"])
    assert counts(read_json(servicecert("republish", "revoker", "--json")))["certificate-standings"] == (1, 0, 4)
    assert "4 are missing; add --yes to publish them" in servicecert("republish", "revoker").stdout
    assert revoker.outbox() == []
    assert "4 are in the outbox now" in servicecert("republish", "revoker", "--yes").stdout
    assert revoker.outbox() == rows[1:], "as it was, under its own ids"
    again = read_json(servicecert("republish", "revoker", "--yes", "--json"))
    assert counts(again)["certificate-standings"] == (1, 4, 0)
    assert revoker.outbox() == rows[1:], "what waits there is passed over"


def test_B6_each_part_that_is_published_again_is_in_the_audit(servicecert, revoker):
    revoker.published(standing("01"), standing("02"), example(CertificateRevoked))
    servicecert("republish", "revoker")
    assert acts(revoker) == [], "what changed nothing is not"
    servicecert("republish", "revoker", "--yes")
    done = acts(revoker)
    assert {each["command"] for each in done} == {"republish"}
    facts = [each["facts"] for each in done]
    assert sorted((topic, count) for each in facts for topic, count in each.items() if topic != "operator") == [
        ("certificate-standings", 2),
        ("certificate-status", 1),
    ]


def test_I1_topics_are_filled_with_what_they_would_still_have(servicecert, revoker):
    revoker.published(standing("01"), example(CertificateRevoked), at=NOW - timedelta(days=91))
    revoker.published(example(CertificateRevoked), at=NOW - timedelta(days=89))
    missing = counts(read_json(servicecert("republish", "revoker", "--json")))
    assert missing["certificate-standings"] == (0, 0, 1), "it is kept for ever"
    assert missing["certificate-status"] == (0, 0, 1)


def test_I5_what_follows_a_missing_event_of_its_key_comes_again_after_it(servicecert, revoker):
    first, lost, last, other = revoker.published(standing("01"), standing("01"), standing("01"), standing("02"))
    revoker.in_topic([first, last, other])
    assert counts(read_json(servicecert("republish", "revoker", "--yes", "--json")))["certificate-standings"] == (
        3,
        0,
        1,
    )
    assert revoker.outbox() == [lost, last]


def test_E1_of_a_compacted_topic_the_newest_event_of_each_key_counts(servicecert, empty_cluster, tables):
    create_topics(empty_cluster)
    intake = tables("intake")
    case, other = uuid4(), uuid4()
    rows = intake.published(*(example(CaseChanged, case_id=id, version=n) for id in (case, other) for n in (1, 2, 3)))
    intake.in_topic([rows[0], rows[5]])
    assert counts(read_json(servicecert("republish", "intake", "--json")))["cases"] == (1, 0, 1), "4 and 5 are replaced"
    servicecert("republish", "intake", "--yes")
    assert intake.outbox() == rows[1:3], "a reader gets every version that is kept"


def test_F2_what_a_key_has_signed_that_is_pinned_no_more_is_signed_anew(
    servicecert, revoker, identities, tmp_path, monkeypatch
):
    (row,) = revoker.published(standing("01"))
    revoker.in_topic([row])
    make_keys(tmp_path / "made", ["revoker"])
    (identities.folder / "revoker.pub").write_bytes((tmp_path / "made" / "revoker.pub").read_bytes())
    monkeypatch.delenv("SERVICECERT_SERVICE_KEY_FILE")
    assert counts(read_json(servicecert("republish", "revoker", "--json")))["certificate-standings"] == (0, 0, 1)
    done = servicecert("republish", "revoker", "--yes")
    assert (done.exit_code, "--key" in one_sentence(done.stderr)) == (78, True)
    servicecert("republish", "revoker", "--yes", "--key", tmp_path / "made" / "revoker.key")
    (signed,) = revoker.outbox()
    assert signed == {**row, "signature": signed["signature"]}
    at, key = row["at"].astimezone(UTC), row["key"]
    envelope = Envelope(row["event_id"], "/revoker", row["type"], key, at, key, None, signed["signature"])
    assert identities.verifier().is_from("revoker", row["topic"], key.encode(), headers_of(envelope), row["payload"])


def test_F7_a_journal_that_was_lost_goes_on_where_it_ends(servicecert, revoker):
    """Kafka was put back to an older copy of itself, or its topics were lost; a relay may have sent one more look."""
    noted = "update journal set begun = 7, epoch = 7, look = 5, next_offset = 9"
    older, newer = ((3, 1, uuid4()), (3, 2, uuid4())), (7, 6, uuid4())
    for looks, go_on in (((), (7, 5, None)), (older, (3, 2, 2)), ((newer,), (7, 6, 3))):
        revoker.rows(f"{noted}; delete from changes")
        revoker.rows("insert into changes (id, name, keys) values (%s, 'key', '{}')", newer[2])
        revoker.journaled(*looks)
        assert counts(read_json(servicecert("republish", "revoker", "--json")))["revoker.journal"] == (0, 0, 1)
        assert "1 are in the outbox now" in servicecert("republish", "revoker", "--yes").stdout
        (row,) = revoker.rows("select epoch, look, next_offset from journal")
        assert tuple(row.values()) == go_on
        audited = revoker.rows("select unnest(keys) as row from changes where name = 'audit'")
        last = revoker.rows("select jsonb_build_array(chain, max(seq))::text as row from audit group by chain")
        assert all(each in audited for each in last), "a copy of the tables from before is told by them"
        assert acts(revoker)[-1]["facts"]["revoker.journal"] == 1
        revoker.require_passing()
        assert counts(read_json(servicecert("republish", "revoker", "--json")))["revoker.journal"][2] == 0


def test_F7_nothing_is_published_again_from_a_database_that_comes_from_the_past(servicecert, revoker):
    revoker.published(standing("01"))
    revoker.rows("update journal set begun = 3, epoch = 3, look = 2, next_offset = 2")
    revoker.journaled((3, 1, uuid4()), (3, 2, uuid4()), (4, 1, uuid4()))
    for arguments in (["republish", "revoker"], ["republish", "revoker", "--yes"]):
        done = servicecert(*arguments)
        assert (done.exit_code, "restore check revoker" in one_sentence(done.stderr)) == (65, True)
    assert revoker.outbox() == acts(revoker) == []


def test_I1_a_reader_begins_anew_in_a_partition_that_ends_before_what_it_has_handled(
    servicecert, empty_cluster, revoker, identities, tmp_path
):
    group, place = empty_cluster.group("revoker"), TopicPartition(empty_cluster.name(CERTIFICATES), 3)

    async def commit(offset: int) -> None:
        async with kafka.reader(empty_cluster, group) as consumer:
            consumer.assign([place])
            await consumer.commit({place: OffsetAndMetadata(offset, "")})

    async def committed() -> int:
        async with kafka.admin(empty_cluster) as admin:
            return int((await admin.list_consumer_group_offsets(group))[place].offset)

    do(partial(commit, 5))
    servicecert("republish", "revoker")
    assert do(committed) == 5
    servicecert("republish", "revoker", "--yes")
    assert do(committed) == 0
    # It may be longer again by what is new.
    event = {"topic": CERTIFICATES.name, "type": "any", "payload": b"{}", "at": NOW, "signature": None, "id": None}
    row = {**event, "traceparent": None, "event_id": uuid4()}
    revoker.in_topic([{**row, "key": str(uuid4())} for _ in range(99)])
    do(partial(commit, 2))
    servicecert("republish", "revoker", "--yes")
    assert do(committed) == 2
    # What was signed by a key that is pinned no more is not lost: nothing is read anew.
    make_keys(tmp_path / "made", ["revoker"])
    pinned = identities.folder / "revoker.pub"
    old = pinned.read_bytes()
    revoker.journaled((7, 5, uuid4()))
    revoker.rows("update journal set begun = 7, epoch = 7, look = 5, next_offset = 1")
    pinned.write_bytes((tmp_path / "made" / "revoker.pub").read_bytes())
    assert counts(read_json(servicecert("republish", "revoker", "--json")))["revoker.journal"] == (0, 0, 1)
    servicecert("republish", "revoker", "--yes")
    assert do(committed) == 2
    pinned.write_bytes(old)
    revoker.rows("update journal set next_offset = 9")
    servicecert("republish", "revoker", "--yes")
    assert do(committed) == 0


def acts(tables: Tables) -> list[dict[str, Any]]:
    rows = tables.rows("select entry from audit order by at, chain, seq")
    return [entry["happened"] for row in rows if "happened" in (entry := json.loads(row["entry"]))]
