import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from commandline import do, one_sentence, read_json, run_process
from servicecert_cli.admin import groups, topics
from servicecert_cli.connections import kafka
from servicecert_revoker.service import MIGRATIONS as REVOKER_MIGRATIONS
from servicecert_schemas.topics import CATALOGUE

TABLES = {"intake": [], "revoker": [REVOKER_MIGRATIONS]}


def test_topics_are_made_once_with_their_settings(servicecert, empty_cluster):
    assert read_json(servicecert("topics", "create", "--json"))["made"] == [
        empty_cluster.name(topic) for topic in CATALOGUE
    ]
    again = servicecert("topics", "create")
    assert again.exit_code == 0
    assert again.stdout == f"Created 0 topics; {len(CATALOGUE)} existed already.\n"
    facts = {each["topic"]: each for each in read_json(servicecert("topics", "list", "--json"))}
    cases = facts[f"{empty_cluster.prefix}cases"]
    assert (cases["partitions"], cases["compacted"], cases["readers"]) == (
        12,
        True,
        ["e-service", "canary", "notifier"],
    )


def test_a_missing_topic_is_shown_and_is_a_failure(servicecert, empty_cluster):
    done = servicecert("topics", "list")
    assert done.exit_code == 1
    assert done.stdout.count("missing") == len(CATALOGUE)


@pytest.mark.parametrize("command", [("create",), ("list",), ("accept", "intake")])
def test_a_broker_that_does_not_answer_is_told(servicecert, no_broker, admin_url, command):
    done = servicecert("topics", *command)
    assert done.exit_code == 69
    assert no_broker in one_sentence(done.stderr)


def test_without_a_broker_it_says_what_to_set(servicecert, monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    done = servicecert("topics", "create")
    assert done.exit_code == 78
    assert "Set KAFKA_BOOTSTRAP_SERVERS" in one_sentence(done.stderr)


@pytest.fixture
def admin_url(place):
    return place.admin_url


@pytest.fixture
def intake_url(place, as_operator):
    """The environment names an operator, on a schema that remembers an origin. Returns the administrator's URL."""
    do(lambda: execute(place.urls["intake"], "insert into origins values ('the cluster', 'another one')"))
    as_operator()
    return place.admin_url


async def execute(url, statement):
    connection = await asyncpg.connect(url, server_settings={"search_path": "intake"})
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def commit(cluster, offset):
    async with kafka.reader(cluster, cluster.group("intake")) as consumer:
        partition = TopicPartition(f"{cluster.prefix}applications", 3)
        consumer.assign([partition])
        await consumer.commit({partition: OffsetAndMetadata(offset, "")})


async def committed(cluster):
    async with kafka.admin(cluster) as admin:
        return list((await groups.committed(admin, cluster.group("intake"))).values())


def test_accepting_other_topics_forgets_the_known_ones_and_rewinds(servicecert, cluster, intake_url):
    do(lambda: commit(cluster, 7))
    dry = servicecert("topics", "accept", "intake")
    assert "add --yes" in dry.stdout
    assert do(lambda: committed(cluster)) == [7]
    assert do(lambda: execute(intake_url, "select from origins"))
    done = read_json(servicecert("topics", "accept", "intake", "--yes", "--json"))
    assert done == {"service": "intake", "partitions": 1, "done": True}
    assert do(lambda: committed(cluster)) == [0]
    assert not do(lambda: execute(intake_url, "select from origins"))


def test_I1_no_worker_starts_at_old_offsets_after_an_interruption(cluster, intake_url, monkeypatch):
    async def interrupted(*_):
        raise KeyboardInterrupt

    do(lambda: commit(cluster, 7))
    monkeypatch.setattr(topics, "_rewind", interrupted)
    with pytest.raises(KeyboardInterrupt):
        do(lambda: topics.accept(cluster, intake_url, "intake", act=True))
    assert do(lambda: execute(intake_url, "select from origins"))


def test_accepting_is_possible_where_the_broker_knows_nothing_of_the_group(servicecert, cluster, intake_url):
    assert servicecert("topics", "accept", "intake", "--yes").exit_code == 0
    assert not do(lambda: execute(intake_url, "select from origins"))


def test_nothing_is_accepted_while_workers_run(cluster, intake_url):
    async def with_a_member():
        consumer = AIOKafkaConsumer(
            f"{cluster.prefix}applications",
            bootstrap_servers=cluster.bootstrap,
            group_id=cluster.group("intake"),
            # With it aiokafka's `stop` tries for ever to commit once the group has forgotten a slow member.
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            return await asyncio.to_thread(run_process, "topics", "accept", "intake", "--yes")
        finally:
            await consumer.stop()

    done = do(with_a_member)
    assert done.code == 75
    assert "1 workers of intake" in one_sentence(done.err)
    assert do(lambda: execute(intake_url, "select from origins"))
