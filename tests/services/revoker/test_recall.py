"""What the revoker drew, published and signed before, by what it published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from certificates import certified
from servicecert_pki.authority import Authority
from servicecert_pki.keys import SigningKey
from servicecert_pki.partitions import FULL
from servicecert_revoker.domain.authority_requests import CASCADE
from servicecert_revoker.domain.crl_orders import CONFIRM, PUBLISH, Confirmed, ConfirmOrder, Published, PublishOrder
from servicecert_revoker.domain.recall import recalled_facts, recalled_result
from servicecert_revoker.domain.responders import CERTIFY, Certified, CertifyOrder, Drafted
from servicecert_schemas.certificate import CertificateIssued
from servicecert_schemas.event import EventData
from servicecert_schemas.responder import ResponderCertified, ResponderRequested
from servicecert_schemas.revocation import CertificateRevoked, CrlPublished, StandingChanged
from servicecert_worker.core.decider import Event, Task
from servicecert_worker.core.published import PublishedEvent, PublishedEvents, event_id, intent_id
from services.handler import example

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
REQUEST = UUID(int=5)


def after(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def publish(partition: int = 3, serial: str | None = "4a") -> Task:
    order = PublishOrder(issuer="test-ec", partition=partition, serial=serial, request_id=REQUEST if serial else None)
    return Task(uuid4(), str(UUID(int=1)), PUBLISH, order, NOW)


def crl(task: Task, place: int, partition: int, number: int, seconds: int) -> PublishedEvent:
    data = example(CrlPublished, issuer="test-ec", partition=partition, number=number)
    return PublishedEvent(event_id(task.id, data.TYPE, place), data, after(seconds))


def standing(task: Task, seconds: int = 9) -> PublishedEvent:
    data = example(StandingChanged, issuer="test-ec", serial="4a")
    return PublishedEvent(event_id(task.id, data.TYPE, 0), data, after(seconds))


def revoked(task: Task, number: int, cause: UUID | None = None, **changes: Any) -> PublishedEvent:
    data = example(CertificateRevoked, **{"case_id": task.key, "request_id": REQUEST, "crl_number": number, **changes})
    return PublishedEvent(event_id(cause or uuid4(), data.TYPE, 0), data, after(20))


def result(task: Task, *events: PublishedEvent) -> Any:
    return recalled_result(task, PublishedEvents(events), DAY)


def test_D5_a_revocation_was_served_by_the_crl_that_its_mail_names() -> None:
    task, another = publish(), publish()
    mail = revoked(task, 8)
    own = [crl(another, 0, 3, 7, 1), crl(task, 0, 3, 8, 2), crl(task, 1, FULL, 9, 2), crl(another, 0, 3, 10, 3)]
    done = result(task, *own, standing(task), mail)
    assert isinstance(done, Published)
    assert isinstance(mail.data, CertificateRevoked)
    assert (done.number, done.partition, done.request_id) == (8, 3, REQUEST)
    assert [each.number for each in done.announced] == [8, 9]
    assert done.published_at == mail.data.published_at
    assert done.next_planned == done.crl.this_update + DAY


def test_without_a_mail_it_is_the_newest_one_at_that_time() -> None:
    task, pass_ = publish(), publish()
    crls = [crl(pass_, 0, 3, 7, 1), crl(pass_, 1, 3, 8, 5), crl(pass_, 2, 3, 9, 99), crl(pass_, 3, FULL, 6, 2)]
    elsewhere = revoked(task, 7, request_id=UUID(int=6))
    done = result(task, *crls, standing(task), elsewhere)
    assert isinstance(done, Published)
    assert (done.number, done.published_at, done.announced) == (8, after(5), ())


def test_where_there_is_one_crl_for_all_the_full_one_counts() -> None:
    task = publish(FULL)
    done = result(task, crl(publish(), 0, FULL, 6, 2), standing(task))
    assert isinstance(done, Published)
    assert done.number == 6


def test_an_order_that_no_crl_is_known_to_have_served_stays_open() -> None:
    task = publish()
    assert result(task, crl(task, 0, 3, 7, 1)) is None
    assert result(task, standing(task)) is None
    assert result(task, crl(publish(), 0, 3, 7, 99), standing(task)) is None
    assert result(task, crl(publish(), 0, 3, 7, 1), standing(task), revoked(task, 8)) is None


def test_a_scheduled_pass_is_known_by_its_full_crl() -> None:
    task = publish(FULL, serial=None)
    crls = [crl(task, place, place, 7, place) for place in (1, 2, 0)]
    done = result(task, *crls)
    assert isinstance(done, Published)
    assert (done.partition, done.published_at, len(done.announced)) == (FULL, after(0), 3)
    assert result(task, *crls[:2]) is None


def test_I7_a_confirmation_is_recalled_by_the_event_that_followed() -> None:
    order = ConfirmOrder(
        issuer="test-ec",
        serial="4a",
        request_id=REQUEST,
        crl_number=8,
        crl_url="http://crl.example.fi/test-ec.crl",
        published_at=NOW,
    )
    task = Task(uuid4(), str(UUID(int=1)), CONFIRM, order, NOW)
    mail = revoked(task, 8, cause=task.id)
    assert result(task, mail) == Confirmed(**dict(order), confirmed_at=mail.time)
    assert result(task, revoked(task, 8)) is None


@pytest.fixture(scope="module")
def certified_key(authority: Authority, ca_keys: Mapping[str, SigningKey]) -> tuple[Event, list[PublishedEvent]]:
    """A responder's request and what three CAs certified for it, published in another order than intended."""
    requested = example(ResponderRequested)
    request = Event(uuid4(), requested.key(), requested, NOW)
    events = []
    for place in (2, 0, 1):
        it = certified(example(CertificateIssued), authority, ca_keys, serial=0x4A00 + place)
        data = example(
            ResponderCertified,
            environment=requested.environment,
            key_sha256=requested.key_sha256,
            issuer=f"ca-{place}",
            serial=it.serial,
            certificate=it.certificate,
        )
        cause = intent_id(request.id, CERTIFY, place)
        events.append(PublishedEvent(event_id(cause, data.TYPE, 0), data, after(place)))
    return request, events


def test_I4_a_responders_certificates_are_ordered_again_with_the_same_bytes(
    certified_key: tuple[Event, list[PublishedEvent]],
) -> None:
    request, events = certified_key
    published = PublishedEvents(events)
    facts = recalled_facts(request, published)
    assert isinstance(facts, Drafted)
    assert [order.issuer for order in facts.orders] == ["ca-0", "ca-1", "ca-2"]
    for place, order in enumerate(facts.orders):
        task = Task(intent_id(request.id, CERTIFY, place), request.key, CERTIFY, order, NOW)
        done = recalled_result(task, published, DAY)
        assert isinstance(done, Certified)
        assert (done.issuer, done.tbs) == (f"ca-{place}", order.tbs)
        assert order.tbs in done.certificate


def test_a_second_request_for_a_key_has_the_orders_of_the_first(
    certified_key: tuple[Event, list[PublishedEvent]],
) -> None:
    request, events = certified_key
    facts = recalled_facts(Event(uuid4(), request.key, request.data, NOW), PublishedEvents(events))
    assert isinstance(facts, Drafted)
    assert len(facts.orders) == 3


def test_what_nothing_is_published_of_is_left_to_the_examination(
    certified_key: tuple[Event, list[PublishedEvent]],
) -> None:
    request, events = certified_key
    assert recalled_facts(request, PublishedEvents([standing(publish())])) is None
    issued: EventData = example(CertificateIssued)
    assert recalled_facts(Event(uuid4(), request.key, issued, NOW), PublishedEvents(events)) is None
    other = CertifyOrder(
        environment=request.data.environment,
        key_sha256="00" * 32,
        issuer="ca-0",
        serial="99",
        not_after=NOW,
        tbs=b"tbs",
    )
    order = Task(uuid4(), request.key, CERTIFY, other, NOW)
    nothing = PublishedEvents([PublishedEvent(uuid4(), example(CrlPublished), NOW), *events])
    assert recalled_result(order, nothing, DAY) is None
    assert recalled_result(Task(uuid4(), "k", CASCADE, other, NOW), nothing, DAY) is None
