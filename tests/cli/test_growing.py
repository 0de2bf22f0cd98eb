"""`topics grow`: more partitions, and only while no event could overtake another one of its case (I5)."""

import asyncio
import importlib
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, PolicyViolationError, TopicAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata
from commandline import do, one_sentence, read_json, run_process
from servicecert_cli.admin.growing import GROWING, grow, require_idle, to_grow, under_way
from servicecert_cli.admin.topics import create as create_topics
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.applications import colleague, example
from servicecert_cli.operations.operators import add_operator
from servicecert_schemas.topics import ACCOUNTS, APPLICATIONS, CATALOGUE, CERTIFICATES, SERVICES
from servicecert_schemas.values import CertificateType
from servicecert_worker.core.faults import OperatorError

BEFORE, AFTER = 2, 4


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ({"a": 12, "b": 12}, {"a": 12, "b": 12}),
        # It was interrupted, or somebody grew one by hand.
        ({"a": 24, "b": 12}, {"b": 12}),
        ({"a": 24, "b": 24}, {}),
    ],
)
def test_all_topics_come_to_the_same_number_also_after_an_interruption(sizes, found):
    assert to_grow(sizes, 24) == found


@pytest.mark.parametrize(
    ("sizes", "words", "code"),
    [
        ({"a": 12, "b": 36}, "b has 36 partitions, and Kafka takes none away: choose 36 or more.", 2),
        ({"a": 12, "b": None}, "Kafka has no topic b: run `servicecert topics create`.", 78),
    ],
)
def test_what_cannot_be_reached_is_refused_with_what_to_do(sizes, words, code):
    with pytest.raises(OperatorError) as refused:
        to_grow(sizes, 24)
    assert (str(refused.value), refused.value.exit_code) == (words, code)


def test_what_is_under_way_is_told_by_service():
    require_idle([])
    assert under_way("intake", 0, False, {}, 0) == ""
    busy = under_way("issuer", 0, True, {"applications": 3, "revocations": 1}, 2)
    with pytest.raises(OperatorError) as refused:
        require_idle([under_way("intake", 2, True, {}, 0), busy])
    assert (
        "2 workers of intake run; a worker of issuer holds its lock in PostgreSQL, issuer has not handled 3 records of "
        "applications, issuer has not handled 1 records of revocations, issuer has not published 2 events."
    ) in str(refused.value)
    assert refused.value.exit_code == 75


def test_I5_E3_only_topics_grow_that_nobody_reads_from_the_beginning():
    """Of a key in two partitions the older record could win there, and be left when the newer one is erased."""
    assert [topic.name for topic in GROWING] == [
        "applications",
        "accepted-applications",
        "certificate-intents",
        "certificates",
        "revocations",
        "certificate-status",
        "notifications",
        "deadlines",
    ]
    assert not any(topic.compacted or topic.retention is None for topic in GROWING)


@pytest.fixture
def small(empty_cluster):
    """The catalogue's topics, with two partitions where they have twelve."""
    topics = [replace(topic, partitions=min(topic.partitions, BEFORE)) for topic in CATALOGUE]
    do(lambda: create_topics(empty_cluster, topics))
    return empty_cluster


@pytest.fixture
def tables(migrated, monkeypatch):
    """The tables of all services; the environment names an operator."""
    each = {name: [importlib.import_module(f"servicecert_{name}.service").MIGRATIONS] for name in SERVICES}
    place = migrated(**each)
    monkeypatch.setenv("DATABASE_URL", add_operator(place.admin_url, f"anna{uuid4().hex[:8]}"))
    return place


async def sizes(cluster):
    numbers = await kafka.partitions_of(cluster, [cluster.name(topic) for topic in CATALOGUE])
    return {topic.name: len(numbers[cluster.name(topic)]) for topic in CATALOGUE}


def grown(cluster):
    """Whether all topics that can grow have grown; the others never do."""
    now = do(lambda: sizes(cluster))
    assert {now[topic.name] for topic in CATALOGUE if not topic.can_grow} == {1, BEFORE}
    return {now[topic.name] for topic in GROWING} == {AFTER}


def test_it_grows_what_workers_share_and_nothing_else_and_only_with_yes(servicecert, small, tables):
    dry = servicecert("topics", "grow", AFTER)
    assert dry.exit_code == 0
    assert f"{small.prefix}applications: 2 partitions, to be 4\n" in dry.stdout
    assert dry.stdout.endswith("Nothing is under way; add --yes to do it.\n")
    assert not grown(small)
    done = read_json(servicecert("topics", "grow", AFTER, "--yes", "--json"))
    assert done == {
        "partitions": AFTER,
        "before": {small.name(topic): BEFORE for topic in GROWING},
        "done": True,
    }
    assert grown(small)
    again = servicecert("topics", "grow", AFTER, "--yes")
    assert (again.exit_code, again.stdout) == (0, f"Each of the 8 topics has {AFTER} partitions.\n")
    fewer = servicecert("topics", "grow", BEFORE, "--yes")
    assert fewer.exit_code == 2
    assert "Kafka takes none away: choose 4 or more." in one_sentence(fewer.stderr)


def before(monkeypatch, topic, act):
    """Let something happen once, before Kafka adds the partitions of a topic."""
    original, acts = AIOKafkaAdminClient.create_partitions, [act]

    async def create(client, wanted):
        if any(name.endswith(f".{topic.name}") for name in wanted) and acts:
            await acts.pop()()
        return await original(client, wanted)

    monkeypatch.setattr(AIOKafkaAdminClient, "create_partitions", create)


async def failing(fault):
    raise fault


def test_what_was_interrupted_is_finished(servicecert, small, tables, monkeypatch):
    before(monkeypatch, CERTIFICATES, lambda: failing(KafkaConnectionError()))
    assert servicecert("topics", "grow", AFTER, "--yes").exit_code == 69
    assert not grown(small)
    done = servicecert("topics", "grow", AFTER, "--yes")
    assert done.stdout.endswith(f"Each of the 8 topics has {AFTER} partitions now: start the workers.\n")
    assert grown(small)
    # A broker may not have told it yet that they are there.
    do(lambda: grow(small, os.environ["DATABASE_URL"], [small.name(topic) for topic in GROWING], AFTER))


def test_topics_that_are_not_there_are_not_grown(servicecert, empty_cluster, tables):
    done = servicecert("topics", "grow", AFTER, "--yes")
    assert done.exit_code == 78
    assert "run `servicecert topics create`" in one_sentence(done.stderr)


async def submitted(cluster):
    await publish(cluster, colleague("account-1").submitted(uuid4(), example(CertificateType.SERVER), None))


async def handled(cluster):
    async with kafka.reader(cluster, cluster.group("intake")) as consumer:
        partitions = [TopicPartition(cluster.name(APPLICATIONS), number) for number in range(BEFORE)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.commit({partition: OffsetAndMetadata(end, "") for partition, end in ends.items()})


def refusal(servicecert, cluster):
    """The sentence that says what is under way; with --yes it is the same, and nothing is done."""
    dry, done = servicecert("topics", "grow", AFTER), servicecert("topics", "grow", AFTER, "--yes")
    assert (dry.exit_code, done.exit_code) == (75, 75)
    assert dry.stderr == done.stderr
    assert not grown(cluster)
    return one_sentence(done.stderr)


def test_I5_a_case_with_an_unhandled_event_is_not_moved(servicecert, small, tables):
    do(lambda: submitted(small))
    assert f"intake has not handled 1 records of {small.prefix}applications." in refusal(servicecert, small)
    do(lambda: handled(small))
    assert servicecert("topics", "grow", AFTER, "--yes").exit_code == 0
    assert grown(small)


def test_records_of_a_topic_that_does_not_grow_are_no_obstacle(servicecert, small, tables):
    do(lambda: publish(small, colleague("account-1").opened("0204819-8", "Exempelby läkarstation")))
    assert do(lambda: ends(small, ACCOUNTS)) == 1
    assert servicecert("topics", "grow", AFTER, "--yes").exit_code == 0


async def ends(cluster, topic):
    async with kafka.reader(cluster) as reader:
        places = [TopicPartition(cluster.name(topic), each) for each in await kafka.partitions(cluster, topic)]
        return sum((await reader.end_offsets(places)).values())


def test_I5_a_case_with_an_event_in_the_outbox_is_not_moved(servicecert, small, tables):
    unpublished = """
        insert into issuer.outbox (topic, key, event_id, type, payload, at)
        select topic, 'key', gen_random_uuid(), 'type', '{}'::bytea, now()
        from unnest(array['certificates', 'audit-checkpoints']) as t (topic)
    """
    do(lambda: execute(tables.admin_url, unpublished))
    assert "issuer has not published 1 events." in refusal(servicecert, small)


async def execute(url, statement):
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def member(cluster):
    consumer = AIOKafkaConsumer(
        cluster.name(APPLICATIONS),
        bootstrap_servers=cluster.bootstrap,
        group_id=cluster.group("intake"),
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


@asynccontextmanager
async def leader(url):
    """A leader that is no member of its group any more, as one that was frozen."""
    connection = await asyncpg.connect(url)
    await connection.fetchval("select pg_try_advisory_lock(lock_of('lead'))")
    try:
        yield
    finally:
        await connection.close()


async def refused_while(something):
    async with something:
        return await asyncio.to_thread(run_process, "topics", "grow", AFTER, "--yes")


def test_nothing_grows_while_a_worker_runs(small, tables):
    done = do(lambda: refused_while(member(small)))
    assert (done.code, "1 workers of intake run." in one_sentence(done.err)) == (75, True)
    assert not grown(small)


def test_nothing_grows_while_a_frozen_worker_could_publish(small, tables):
    done = do(lambda: refused_while(leader(tables.urls["issuer"])))
    assert done.code == 75
    assert "a worker of issuer holds its lock in PostgreSQL." in one_sentence(done.err)
    assert not grown(small)


def test_I5_who_was_not_silent_meanwhile_is_told(servicecert, small, tables, monkeypatch):
    before(monkeypatch, APPLICATIONS, lambda: submitted(small))
    done = servicecert("topics", "grow", AFTER, "--yes")
    assert done.exit_code == 65
    assert f"meanwhile something was under way: intake has not handled 1 records of {small.prefix}applications." in (
        one_sentence(done.stderr)
    )
    assert grown(small)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (TopicAuthorizationFailedError(), "or the broker's administrator"),
        (PolicyViolationError(), "Kafka refuses to add partitions"),
    ],
)
def test_what_kafka_refuses_is_told(servicecert, small, tables, monkeypatch, fault, words):
    before(monkeypatch, APPLICATIONS, lambda: failing(fault))
    done = servicecert("topics", "grow", AFTER, "--yes")
    assert (done.exit_code, words in one_sentence(done.stderr)) == (77, True)
    assert not grown(small)


def test_a_broker_that_does_not_answer_is_told(servicecert, no_broker, tables):
    done = servicecert("topics", "grow", AFTER)
    assert (done.exit_code, no_broker in one_sentence(done.stderr)) == (69, True)
