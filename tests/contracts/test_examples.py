"""Stored records of every version stay readable."""

import json
from pathlib import Path
from typing import Any

import pytest
from examples import encode
from servicecert_schemas.codec import EVENTS, decode
from servicecert_schemas.export import EXPORTED, stored_examples
from servicecert_schemas.topics import TOPIC_OF
from servicecert_schemas.upcasting import UPCASTERS

EXAMPLES = sorted((EXPORTED / "examples").glob("*.json"))


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def lost(stored: Any, written: Any, path: str = "") -> list[str]:
    """Return the paths of stored values that are not written again. Fields added by a later version do not count."""
    match stored:
        case dict():
            return [
                place
                for name, part in stored.items()
                for place in (lost(part, written[name], f"{path}/{name}") if name in written else [f"{path}/{name}"])
            ]
        case list() if len(stored) == len(written):
            return [
                place for index, part in enumerate(stored) for place in lost(part, written[index], f"{path}/{index}")
            ]
        case _:
            return [] if stored == written else [path]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_stored_record_is_read_and_written_again(path: Path) -> None:
    example = load(path)
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    envelope, data = decode(example["topic"], example["key"].encode(), headers, json.dumps(example["value"]).encode())
    written_headers, written = encode(envelope, data)
    if envelope.type in EVENTS:
        assert written_headers == headers
        assert lost(example["value"], json.loads(written)) == []
    else:
        assert type(data) in EVENTS.values()
    assert decode(example["topic"], example["key"].encode(), written_headers, written)[1] == data


def test_what_is_lost_is_found() -> None:
    assert lost({"a": [1, {"b": 2}], "c": 3}, {"a": [1, {"b": 4}]}) == ["/a/1/b", "/c"]
    assert lost({"a": [1]}, {"a": [1, 2]}) == ["/a"]


def after(event_type: str) -> str:
    """Return the type of the next version."""
    name, _, number = event_type.rpartition(".v")
    return f"{name}.v{int(number) + 1}"


def test_every_version_has_a_stored_record_and_the_variants_of_the_version_before() -> None:
    known, names = {*EVENTS, *(old.TYPE for old in UPCASTERS)}, {path.stem for path in EXAMPLES}
    variants = {name.replace(old.TYPE, after(old.TYPE)) for old in UPCASTERS for name in names if old.TYPE in name}
    missing = sorted(f"{name}.json" for name in (known | variants) - names)
    assert not missing, f"store whole records in {EXPORTED / 'examples'}: {', '.join(missing)}"
    assert set(stored_examples()) == known


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_stored_record_lies_on_the_topic_of_its_type_under_its_name(path: Path) -> None:
    example = load(path)
    event_type = example["headers"]["ce_type"]
    assert path.name.startswith(f"{event_type}.")
    if event_type in TOPIC_OF:
        assert example["topic"] == TOPIC_OF[event_type].name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_E3_nobody_real_is_in_a_stored_record(path: Path) -> None:
    def texts(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [text for part in node.values() for text in texts(part)]
        if isinstance(node, list):
            return [text for part in node for text in texts(part)]
        return [node] if isinstance(node, str) else []

    for text in texts(load(path)["value"]):
        assert "@" not in text or text.endswith(".example"), text
