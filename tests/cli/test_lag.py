from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from commandline import do, one_sentence, read_json
from servicecert_cli.connections import kafka
from servicecert_cli.connections.kafka import publish
from servicecert_cli.operations.applications import colleague, example
from servicecert_schemas.values import CertificateType


@pytest.fixture
def three_applications(cluster):
    customer = colleague("account-1")
    application = example(CertificateType.SERVER)
    do(lambda: publish(cluster, *(customer.submitted(uuid4(), application, None) for _ in range(3))))
    return cluster


async def handle_all(cluster, topic):
    async with kafka.reader(cluster, cluster.group("intake")) as consumer:
        partitions = [TopicPartition(cluster.prefix + topic, number) for number in range(12)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.commit({partition: OffsetAndMetadata(end, "") for partition, end in ends.items()})


def test_a_service_that_was_never_there_is_owed_all(servicecert, three_applications):
    facts = read_json(servicecert("lag", "intake", "--json"))
    assert facts["messages"] == 3
    assert 0 < facts["seconds"] < 60
    behind = [each for each in facts["partitions"] if each["messages"]]
    assert {each["topic"] for each in behind} == {f"{three_applications.prefix}applications"}
    assert all(each["seconds"] > 0 for each in behind)


def test_what_is_handled_does_not_wait(servicecert, three_applications):
    do(lambda: handle_all(three_applications, "applications"))
    assert servicecert("lag", "intake").stdout.endswith("No message waits.\n")


def test_what_came_since_waits_and_grows_older(servicecert, three_applications):
    do(lambda: handle_all(three_applications, "applications"))
    application = example(CertificateType.SERVER)
    do(lambda: publish(three_applications, colleague("account-1").submitted(uuid4(), application, None)))
    first = read_json(servicecert("lag", "intake", "--json"))
    second = read_json(servicecert("lag", "intake", "--json"))
    assert (first["messages"], second["messages"]) == (1, 1)
    assert second["seconds"] > first["seconds"]


def test_partitions_with_something_waiting_are_listed(servicecert, three_applications):
    listed = servicecert("lag", "--partitions").stdout.splitlines()
    assert all(f"{three_applications.prefix}applications" in line for line in listed[1:-1])
    assert listed[-1].startswith("3 messages wait, the oldest for ")


def test_sums_are_told_by_topic(servicecert, three_applications):
    rows = [line.split() for line in servicecert("lag").stdout.splitlines()]
    assert ["intake", f"{three_applications.prefix}applications", "3"] in [row[:3] for row in rows]


def test_a_broker_that_does_not_answer_is_told(servicecert, no_broker):
    done = servicecert("lag")
    assert done.exit_code == 69
    assert no_broker in one_sentence(done.stderr)


def test_an_unknown_service_is_wrong_usage(servicecert, no_broker):
    assert servicecert("lag", "baker").exit_code == 2


@pytest.mark.parametrize(("seconds", "status"), [("0", 1), ("3600", 0)])
def test_a_script_is_told_by_the_exit_code_whether_something_waits_for_too_long(
    servicecert, three_applications, seconds, status
):
    assert servicecert("lag", "intake", "--max-seconds", seconds).exit_code == status


def test_all_topics_that_a_service_owes_to_read_are_shown(servicecert, three_applications):
    rows = [line.split() for line in servicecert("lag", "notifier").stdout.splitlines()[1:-1]]
    prefix = three_applications.prefix
    assert [row[1].removeprefix(prefix) for row in rows] == ["cases", "certificate-status", "certificates", "deadlines"]
    assert {row[2] for row in rows} == {"0"}


def test_the_way_to_a_system_that_runs_here_is_told(servicecert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert "start everything on this machine with `servicecert up`" in one_sentence(servicecert("lag").stderr)
    user = tmp_path / "var" / "up" / "as" / "operator"
    user.parent.mkdir(parents=True)
    user.touch()
    assert "or use the running `servicecert up`: `. var/up/as/operator`." in one_sentence(servicecert("lag").stderr)
