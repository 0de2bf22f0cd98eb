import json
import runpy
import shutil
import sys
import tomllib
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import pytest
import servicecert_schemas
from jsonschema import Draft202012Validator
from servicecert_schemas.codec import VERSIONS, versions_on
from servicecert_schemas.event import Envelope
from servicecert_schemas.export import COMMAND, EXPORTED, differing, exported_files, main, stored_examples, write
from servicecert_schemas.headers import headers_of
from servicecert_schemas.topics import CATALOGUE, SERVICES, journal_topic

with warnings.catch_warnings():
    # Two of its fields shadow names of pydantic's base class, and the import warns of that.
    warnings.simplefilter("ignore", UserWarning)
    from asyncapi3.models.asyncapi import AsyncAPI3


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the exported files that a test may change."""
    return Path(shutil.copytree(EXPORTED, tmp_path / "exported"))


def test_code_and_export_are_the_same() -> None:
    project = tomllib.loads((Path(servicecert_schemas.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert version(project["name"]) == project["version"], "run `make setup`: another version is installed"
    assert differing() == [], f"run `{COMMAND}` and commit what it writes"


def test_a_difference_is_named_with_the_command_that_mends_it(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "topics.json").write_text("[]")
    (copy / "json" / "servicecert.case.changed.v1.json").unlink()
    (copy / "json" / "servicecert.case.changed.v0.json").write_text("{}")
    assert main(["--check"], copy) == 1
    assert capsys.readouterr().err == (
        "The exported files are outdated: json/servicecert.case.changed.v0.json, "
        f"json/servicecert.case.changed.v1.json, topics.json. Run `{COMMAND}`.\n"
    )


def test_the_command_writes_what_differs_and_nothing_else(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "asyncapi.json").write_text("{}")
    (copy / "json" / "servicecert.case.changed.v0.json").write_text("{}")
    assert main([], copy) == 0
    assert capsys.readouterr().out.split() == [
        "wrote",
        "asyncapi.json",
        "removed",
        "json/servicecert.case.changed.v0.json",
    ]
    assert main(["--check"], copy) == 0
    assert write(copy) == []


def test_all_is_written_where_nothing_is(tmp_path: Path) -> None:
    assert write(tmp_path) == sorted(exported_files())
    assert differing(tmp_path) == []


def test_the_command_of_the_message_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    module = COMMAND.removeprefix("python -m ")
    monkeypatch.setattr(sys, "argv", [module, "--check"])
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 0


def test_an_argument_that_is_none_is_answered_with_the_usage(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chekc"], copy) == 2
    assert capsys.readouterr().err == f"Usage: {COMMAND} [--check]\n"


def test_the_asyncapi_document_is_one_of_version_3() -> None:
    document = json.loads((EXPORTED / "asyncapi.json").read_text())
    AsyncAPI3.model_validate(document)
    assert document["asyncapi"] == "3.1.0"
    assert {each["type"] for each in document["components"]["securitySchemes"].values()} == {"scramSha512", "X509"}
    assert document["channels"]["cases"]["tags"] == [{"name": "e-service"}]
    assert document["channels"]["certificates"]["tags"] == [{"name": "services"}]


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads((EXPORTED / "asyncapi.json").read_text())

    def references(node: object) -> list[str]:
        if isinstance(node, list):
            return [each for part in node for each in references(part)]
        if isinstance(node, dict):
            here = [node["$ref"]] if "$ref" in node else []
            return here + [each for part in node.values() for each in references(part)]
        return []

    all_references = references(document)
    assert len(all_references) > 100
    for reference in all_references:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_the_asyncapi_document_has_every_topic_but_the_journals_event_writer_and_reader() -> None:
    document = json.loads((EXPORTED / "asyncapi.json").read_text())
    contract = [topic for topic in CATALOGUE if topic not in map(journal_topic, SERVICES)]
    assert {channel["address"] for channel in document["channels"].values()} == {topic.name for topic in contract}
    assert {message["name"] for message in document["components"]["messages"].values()} == set(VERSIONS)
    assert len(document["operations"]) == sum(len(topic.writers) + len(topic.readers) for topic in contract)
    cases = document["channels"]["cases"]["bindings"]["kafka"]
    assert cases["partitions"] == 12
    assert cases["topicConfiguration"]["cleanup.policy"] == ["compact"]
    assert cases["topicConfiguration"]["retention.ms"] == -1
    assert document["operations"]["e-service-writes-applications"]["action"] == "send"
    assert document["operations"]["e-service-reads-cases"]["action"] == "receive"
    assert all(f"{service}-writes-{service}-parked" in document["operations"] for service in SERVICES)


@pytest.mark.parametrize("name", sorted(VERSIONS))
def test_the_headers_of_every_example_are_as_the_asyncapi_document_says(name: str) -> None:
    document = json.loads((EXPORTED / "asyncapi.json").read_text())
    (message,) = [message for message in document["components"]["messages"].values() if message["name"] == name]
    validator = Draft202012Validator(message["headers"])
    for example in stored_examples()[name]:
        validator.validate(example["headers"])
        assert validator.is_valid({**example["headers"], "ce_type": "another"}) is False
    assert [example["headers"] for example in message["examples"]] == [
        example["headers"] for example in stored_examples()[name]
    ]


@pytest.mark.parametrize("name", sorted(VERSIONS))
def test_every_header_that_is_written_is_in_the_asyncapi_document(name: str) -> None:
    """Services add their own to an event of theirs. Nobody else does."""
    document = json.loads((EXPORTED / "asyncapi.json").read_text())
    (message,) = [message for message in document["components"]["messages"].values() if message["name"] == name]
    of_services = any(topic.signers(name) for topic in CATALOGUE if VERSIONS[name] in versions_on(topic))
    signature = f"{'0' * 16}:{'A' * 86}==" if of_services else None
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    envelope = Envelope(UUID(int=1), "/intake", name, "case", at, "case", trace, signature)
    written = {header: value.decode() for header, value in headers_of(envelope)}
    assert list(message["headers"]["properties"]) == list(written)
    assert all(header["description"] for header in message["headers"]["properties"].values())
    Draft202012Validator(message["headers"], format_checker=Draft202012Validator.FORMAT_CHECKER).validate(written)


def test_the_catalogue_is_exported_with_the_settings_of_kafka() -> None:
    topics = {topic["name"]: topic for topic in json.loads((EXPORTED / "topics.json").read_text())}
    assert topics["applications"]["writers"] == ["e-service", "canary"]
    assert topics["cases"]["config"]["cleanup.policy"] == "compact"
    assert topics["accounts"]["partitions"] == 12
