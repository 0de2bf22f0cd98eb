import json

import pytest
from aiokafka import TopicPartition
from commandline import do, one_sentence
from servicecert_cli import kafka


async def count(cluster):
    async with kafka.reader(cluster) as reader:
        partitions = [TopicPartition(f"{cluster.prefix}registers", number) for number in range(12)]
        return sum((await reader.end_offsets(partitions)).values())


def test_the_fictitious_registers_are_published(servicecert, cluster):
    entries = json.loads(servicecert("registers", "load", "--fictitious", "--json").stdout)["entries"]
    assert entries > 10
    assert do(lambda: count(cluster)) == entries


def test_a_file_is_published(servicecert, cluster, tmp_path):
    file = tmp_path / "intermediaries.csv"
    file.write_text("business_id;name;valid_from;valid_to\n9900066-7;Unelmasilta Oy;2021-03-01;\n")
    assert servicecert("registers", "load", file).stdout == "1 entries are published.\n"
    assert do(lambda: count(cluster)) == 1


@pytest.mark.parametrize(
    "content", [None, "", "business_id;name;valid_from;valid_to\n9900066-6;Wrong digit;2021-03-01;\n"]
)
def test_a_file_that_cannot_be_read_publishes_nothing(servicecert, cluster, tmp_path, content):
    file = tmp_path / "register.csv"
    if content is not None:
        file.write_text(content)
    done = servicecert("registers", "load", file)
    assert done.exit_code == 65
    assert "register.csv" in one_sentence(done.stderr)
    assert do(lambda: count(cluster)) == 0


def test_topics_that_are_missing_are_told(servicecert, empty_cluster):
    done = servicecert("registers", "load", "--fictitious")
    assert done.exit_code == 78
    assert "servicecert topics create" in one_sentence(done.stderr)


def test_a_broker_that_does_not_answer_is_told(servicecert, no_broker):
    done = servicecert("registers", "load", "--fictitious")
    assert done.exit_code == 69
    assert no_broker in one_sentence(done.stderr)


@pytest.mark.parametrize("arguments", [(), ("a.csv", "--fictitious")])
def test_either_a_file_or_the_fictitious_ones(servicecert, no_broker, arguments):
    assert servicecert("registers", "load", *arguments).exit_code == 2
