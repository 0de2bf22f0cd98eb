from contextlib import aclosing
from pathlib import Path

import pytest
from commandline import do, one_sentence, read_json
from servicecert_cli.connections import kafka
from servicecert_cli.registers.loading import current_entries, event_id, publish_entries
from servicecert_cli.registers.reading import FICTITIOUS_REGISTERS, read_register
from servicecert_schemas.codec import decode
from servicecert_schemas.topics import REGISTERS

HEADER = "business_id;name;valid_from;valid_to\n"
SILTA = "9900066-7;Unelmasilta Oy;2021-03-01;\n"
ENTINEN = "9900090-7;Entinen Oy;2019-01-01;2030-12-31\n"


async def records(cluster):
    """Every record of the topic, as it was published."""
    async with aclosing(kafka.records(cluster, REGISTERS)) as found:
        return [record async for record in found]


def count(cluster) -> int:
    return len(do(lambda: records(cluster)))


@pytest.fixture
def file(tmp_path: Path):
    def file(*lines: str) -> Path:
        path = tmp_path / "intermediaries.csv"
        path.write_text("".join((HEADER, *lines)))
        return path

    return file


def test_I2_the_fictitious_registers_are_published_once(servicecert, cluster):
    report = read_json(servicecert("registers", "load", "--fictitious", "--json"))
    assert report["entries"] == report["added"] == report["published"] > 10
    assert count(cluster) == report["entries"]
    report = read_json(servicecert("registers", "load", "--fictitious", "--json"))
    assert (report["unchanged"], report["published"]) == (report["entries"], 0)
    assert count(cluster) == report["entries"]


async def test_I2_an_entry_that_is_published_again_is_the_same_event(cluster):
    entries = list(read_register(FICTITIOUS_REGISTERS))
    for _ in range(2):
        await publish_entries(cluster, iter(entries))
    seen = [decode(REGISTERS.name, each.key, each.headers, each.value) for each in await records(cluster)]
    assert sorted(str(envelope.id) for envelope, _ in seen) == sorted(str(event_id(each)) for each in entries * 2)
    assert await current_entries(cluster) == {each.entry_id: each for each in entries}


def test_what_a_file_changes_is_said_published_and_kept(servicecert, cluster, file):
    assert servicecert("registers", "load", file(SILTA, ENTINEN)).stdout == (
        "2 added, 0 changed, 0 ended, 0 unchanged: 2 entries are published.\n"
    )
    output = servicecert("registers", "load", file(SILTA), "--day", "2026-11-24", "--dry-run").stdout
    assert output == (
        "- intermediary/9900090-7/2019-01-01 Entinen Oy (2019-01-01 to 2026-11-23)\n"
        "0 added, 0 changed, 1 ended, 1 unchanged: nothing is published.\n"
    )
    refused = servicecert("registers", "load", file(SILTA), "--day", "2026-11-24")
    assert refused.exit_code == 65
    assert "would end 1 of the 2 entries in force (50.0 %), more than 5 %" in one_sentence(refused.stderr)
    assert count(cluster) == 2
    servicecert("registers", "load", file(SILTA), "--day", "2026-11-24", "--end-at-most", "50")
    ended = do(lambda: current_entries(cluster))["intermediary/9900090-7/2019-01-01"].entry
    assert str(ended.valid_to) == "2026-11-23"


def test_of_very_many_changes_some_are_shown(servicecert, cluster):
    shown = servicecert("registers", "load", "--fictitious", "--dry-run").stdout.splitlines()
    assert shown[0].startswith("+ information-system/FIKTIO-1001 Mielikuva Potilastieto")
    assert len(shown) == 22
    assert shown[20].endswith(" more")


@pytest.mark.parametrize(
    "content", [None, "", f"{HEADER}9900066-6;Wrong digit;2021-03-01;\n", f"{HEADER}{SILTA}".rstrip()]
)
def test_a_file_that_cannot_be_read_publishes_nothing(servicecert, cluster, tmp_path, content):
    file = tmp_path / "register.csv"
    if content is not None:
        file.write_text(content)
    done = servicecert("registers", "load", file)
    assert done.exit_code == (66 if content is None else 65)
    assert "register.csv" in one_sentence(done.stderr)
    assert count(cluster) == 0


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
