"""How a superseded version is read: with a version that exists in this test alone."""

import json
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import pytest
from examples import encode
from servicecert_schemas import upcasting
from servicecert_schemas.case import NEXT_ACTORS, CaseChanged, CaseChangedV1, CaseState, NextActor
from servicecert_schemas.codec import Reader, Undecodable, stored, written
from servicecert_schemas.event import CaseEvent, Envelope, EventData
from servicecert_schemas.export import stored_examples
from servicecert_schemas.headers import dataschema
from servicecert_schemas.topics import Topic
from servicecert_schemas.upcasting import Upcasters, as_written, upcast
from servicecert_schemas.values import LongText, Text

CASE = UUID("6f1c9d52-8f0a-4c58-9b3e-0d9b6a3c7e11")


class CommentedV1(CaseEvent):
    """The first version: one text."""

    TYPE: ClassVar[str] = "servicecert.test.commented.v1"

    comment: Text


class CommentedV2(CaseEvent):
    """The second: several."""

    TYPE: ClassVar[str] = "servicecert.test.commented.v2"

    comments: tuple[Text, ...]


class Commented(CaseEvent):
    """The newest: a longer text."""

    TYPE: ClassVar[str] = "servicecert.test.commented.v3"

    text: LongText


def to_v2(old: CommentedV1) -> CommentedV2:
    return CommentedV2(case_id=old.case_id, comments=(old.comment,))


def to_v3(old: CommentedV2) -> Commented:
    return Commented(case_id=old.case_id, text="\n".join(old.comments))


def to_v2_again(newest: Commented) -> CommentedV2:
    return CommentedV2(case_id=newest.case_id, comments=(newest.text,))


UPCASTERS: Upcasters = {CommentedV1: to_v2, CommentedV2: to_v3}
TOPIC = Topic("tests", key="case", events=(Commented,), writers=(), readers=())
READER = Reader([TOPIC], UPCASTERS)


def read(data: EventData, value: bytes | None = None) -> EventData:
    envelope = Envelope(CASE, "/test", data.TYPE, data.key(), datetime.now(UTC), data.key())
    headers, encoded = encode(envelope, data)
    found, newest = READER.decode(TOPIC.name, data.key().encode(), headers, encoded if value is None else value)
    assert found.type == data.TYPE
    assert dict(headers)["ce_dataschema"].decode() == dataschema(data.TYPE)
    return newest


@pytest.mark.parametrize(
    "data",
    [
        CommentedV1(case_id=CASE, comment="a"),
        CommentedV2(case_id=CASE, comments=("a",)),
        Commented(case_id=CASE, text="a"),
    ],
    ids=lambda data: data.TYPE,
)
def test_every_version_is_read_as_the_newest(data: EventData) -> None:
    assert read(data) == Commented(case_id=CASE, text="a")


def test_a_fault_of_an_old_record_is_named_in_the_words_of_its_own_version() -> None:
    with pytest.raises(Undecodable, match=r"^comment: Field required$"):
        read(CommentedV1(case_id=CASE, comment="a"), b'{"case_id": "%s"}' % str(CASE).encode())


def test_the_newest_version_is_left_as_it_is() -> None:
    newest = Commented(case_id=CASE, text="a")
    assert upcast(newest, UPCASTERS) is newest
    assert as_written(newest) is newest


def test_a_version_that_is_not_written_yet_is_written_as_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = Commented(case_id=CASE, text="a")
    monkeypatch.setattr(upcasting, "WRITTEN_AS", {Commented: to_v2_again})
    event_type, value = written(newest)
    assert event_type == CommentedV2.TYPE
    assert READER.stored(event_type, value) == newest


@pytest.mark.parametrize("state", CaseState)
def test_E1_a_view_without_who_acts_next_is_read_with_who_does_in_its_state(state: CaseState) -> None:
    example = stored_examples()["servicecert.case.changed.v1"][0]["value"]
    value = json.dumps({**example, "state": state})
    view = stored("servicecert.case.changed.v1", value)
    assert isinstance(view, CaseChanged)
    assert view.acts_next is NEXT_ACTORS[state]
    as_stored = CaseChangedV1.model_validate_json(value)
    assert view.model_dump(include=set(CaseChangedV1.model_fields)) == as_stored.model_dump()


def test_E1_a_view_without_who_acts_next_in_an_unknown_state_is_the_authority_s() -> None:
    example = stored_examples()["servicecert.case.changed.v1"][0]["value"]
    view = stored("servicecert.case.changed.v1", json.dumps({**example, "state": "a-newer-state"}))
    assert isinstance(view, CaseChanged)
    assert view.acts_next is NextActor.AUTHORITY
