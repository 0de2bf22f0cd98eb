"""F1: a type of event is bound to its topic. On any other one it is no event, whoever reads it."""

import json
from itertools import product

import pytest
from servicecert_schemas.codec import VERSIONS, Undecodable, decode, versions_on
from servicecert_schemas.export import Document, stored_examples
from servicecert_schemas.topics import CATALOGUE, TOPICS, Topic

PAIRS = [
    pytest.param(topic, example, id=f"{event_type.removeprefix('servicecert.')} on {topic.name}")
    for topic, (event_type, (example, *_)) in product(CATALOGUE, stored_examples().items())
]


def read(topic: str, example: Document) -> object:
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    return decode(topic, example["key"].encode(), headers, json.dumps(example["value"]).encode())[1]


@pytest.mark.parametrize(("topic", "example"), PAIRS)
def test_f1_a_type_is_an_event_on_its_own_topics_and_on_no_other(topic: Topic, example: Document) -> None:
    event_type = VERSIONS[example["headers"]["ce_type"]]
    if event_type in versions_on(topic):
        assert type(read(topic.name, example)) in topic.events
        return
    with pytest.raises(Undecodable) as refused:
        read(topic.name, example)
    assert refused.value.code == "wrong-topic"


def test_f1_every_type_and_every_topic_is_tried() -> None:
    assert len(PAIRS) == len(CATALOGUE) * len(VERSIONS)


@pytest.mark.parametrize("name", ["", "t1-accounts", "accounts2", "account"])
def test_f1_no_type_belongs_on_a_topic_that_the_catalogue_does_not_have(name: str) -> None:
    with pytest.raises(Undecodable) as refused:
        read(name, stored_examples()["servicecert.account.opened.v1"][0])
    assert refused.value.code == "wrong-topic"


@pytest.mark.parametrize("variants", stored_examples().values(), ids=stored_examples())
def test_f1_a_topic_s_keys_have_its_form(variants: list[Document]) -> None:
    for example in variants:
        assert TOPICS[example["topic"]].has_key(example["key"])


@pytest.mark.parametrize(
    "key",
    [
        "6f1c9d52-8f0a-4c58-9b3e-0d9b6a3c7e11",
        "ocsp/production/6f1c9d52",
        "ocsp/other/" + "0" * 64,
        "crl/ec/0",
        "",
        "\n",
    ],
)
def test_f1_a_responder_cannot_name_the_key_of_another_topic(key: str) -> None:
    assert not TOPICS["ocsp-responders"].has_key(key)
