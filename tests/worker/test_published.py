"""What a service has published, looked up by id, by key and by what it followed from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

from servicecert_schemas.certificate import CertificateVoided, IssuingRefused
from servicecert_schemas.event import EventData
from servicecert_schemas.values import Texts
from servicecert_worker.core.published import (
    PublishedEvent,
    PublishedEvents,
    announcement_id,
    event_id,
    intent_id,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CASE = UUID(int=1)
CAUSE = UUID(int=7)


class Replacing(IssuingRefused):
    """An event that says all that an earlier one of its key says."""

    TYPE = "test.replacing.v1"

    def replaces(self, earlier: EventData) -> bool:
        return earlier.TYPE == self.TYPE


def refused(code: str = "n1", case: UUID = CASE, kind: type[IssuingRefused] = IssuingRefused) -> IssuingRefused:
    return kind(case_id=case, code=code, texts=Texts(sv="-", fi="-", en="-"))


def voided() -> CertificateVoided:
    return CertificateVoided(case_id=CASE, issuer="toy", serial="01", serial_decimal="1", code="c")


def published(data: EventData, place: int = 0, cause: UUID = CAUSE, time: datetime = NOW) -> PublishedEvent:
    return PublishedEvent(event_id(cause, data.TYPE, place), data, time)


def test_I2_the_next_version_of_a_type_has_the_ids_of_the_one_before() -> None:
    for id in (event_id(CAUSE, f"servicecert.test.told.v{version}", 1) for version in (1, 2, 3)):
        assert id == uuid5(CAUSE, "servicecert.test.told.v1/1"), "as it was when there was one version"
    assert announcement_id(CAUSE, "servicecert.test.told.v2") == uuid5(CAUSE, "servicecert.test.told.v1")


def test_an_event_that_is_read_again_counts_once() -> None:
    first, other = published(refused("n1")), published(refused("n2"), 1)
    events = PublishedEvents([first, other, PublishedEvent(first.id, refused("n3"), NOW)])
    assert list(events) == [first, other]
    assert len(events) == 2
    assert events.get(first.id) == first
    assert first.id in events
    assert uuid4() not in events
    assert events.get(uuid4()) is None


def test_the_events_of_a_key_keep_their_order() -> None:
    first, elsewhere, last = published(refused(), 1), published(refused(case=UUID(int=2))), published(voided())
    events = PublishedEvents([first, elsewhere, last])
    assert list(events.of(str(CASE))) == [first, last]
    assert list(events.of("nobody")) == []


def test_what_followed_from_an_item_is_found_by_its_id() -> None:
    first, second = published(refused()), published(voided(), 1)
    events = PublishedEvents([first, second, published(refused(), cause=UUID(int=8))])
    assert {each.id for each in events.following(CAUSE)} == {first.id, second.id}
    assert list(events.following(UUID(int=9))) == []


def test_all_that_followed_is_found_where_some_was_left_out() -> None:
    """A turn leaves out events that a later one replaces, so places are missing."""
    places = [0, 1, 4, 8, 9]
    events = PublishedEvents(published(refused(f"n{place}"), place) for place in places)
    found = events.all_following(CAUSE, IssuingRefused)
    assert [each.data.code for each in found if isinstance(each.data, IssuingRefused)] == [f"n{n}" for n in places]
    assert list(events.all_following(CAUSE, CertificateVoided)) == []


def test_an_item_was_decided_when_its_events_say() -> None:
    events = PublishedEvents([published(voided(), 2)])
    assert events.decided_at(CAUSE) == NOW
    assert events.decided_at(UUID(int=8)) is None


def test_an_event_is_superfluous_where_it_or_one_that_replaces_it_is_published() -> None:
    repeated, later = published(refused("n1")), published(refused("n9", kind=Replacing), 3)
    events = PublishedEvents([repeated, later])
    soon = timedelta(seconds=1)
    assert events.is_superfluous(repeated.id, repeated.data, NOW + soon)
    assert events.is_superfluous(uuid4(), refused("n2", kind=Replacing), NOW)
    assert not events.is_superfluous(uuid4(), refused("n2", kind=Replacing), NOW + soon)
    assert not events.is_superfluous(uuid4(), refused("n2"), NOW)
    assert not events.is_superfluous(uuid4(), refused("n2", UUID(int=2), Replacing), NOW)


def test_an_announced_intent_tells_when_its_cause_was_decided() -> None:
    """An act that is announced and not done yet has published nothing else."""
    announced = PublishedEvent(announcement_id(intent_id(CAUSE, "sign", 0), voided().TYPE), voided(), NOW)
    events = PublishedEvents([published(refused(), cause=UUID(int=8)), announced])
    assert events.decided_at(CAUSE) is None
    assert events.decided_at(CAUSE, ["other", "sign"]) == NOW
    assert events.decided_at(CAUSE, ["other"]) is None


def test_items_of_a_turn_have_the_places_of_their_first_events() -> None:
    late, early = (replace(published(data, 0), sequence=place) for data, place in ((refused(), 9), (voided(), 4)))
    events = PublishedEvents([late, early])
    assert events.place_of(CAUSE) == 4
    assert events.place_of(UUID(int=8)) == 0
