"""The client of the contract: what a user of the e-service does becomes events, and these become records."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from servicecert_schemas import Actor, Application, Assurance, Customer, Form, RevocationReason, Role, decode, record_of
from servicecert_schemas.application import ApplicationSubmitted
from servicecert_schemas.event import EventData
from servicecert_schemas.export import stored_examples

CASE = UUID(int=7)
USER = Customer(account_id="account-1", user_id="user-1", assurance=Assurance.HIGH, role=Role.COLLEAGUE)
APPLICATION = next(
    Application.model_validate_json(json.dumps({**value["form"], "attachments": value["attachments"]}))
    for value in (each["value"] for each in stored_examples()[ApplicationSubmitted.TYPE])
    if value.get("attachments")
)
EVENTS = (
    USER.opened("9900001-8", "Sagans vårdgemenskap"),
    USER.invited("user-2", Role.TECHNICAL_CONTACT, CASE),
    USER.removed("user-2", Role.TECHNICAL_CONTACT, CASE),
    USER.submitted(CASE, APPLICATION, None),
    USER.supplemented(CASE, APPLICATION, "a request"),
    USER.attached(CASE, "a request"),
    USER.withdrawn(CASE),
    USER.revocation(CASE, "4D:8A", RevocationReason.KEY_EXPOSED, "Lost."),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_E4_each_act_becomes_a_record_that_is_read_as_it_was_made(event: EventData) -> None:
    before = datetime.now(UTC)
    record = record_of(event)
    envelope, data = decode(record.topic, record.key, record.headers, record.value)
    assert data == event
    assert (envelope.id, envelope.source) == (record.id, "/e-service")
    assert before <= envelope.time <= datetime.now(UTC)
    assert getattr(data, "actor", None) == Actor(
        account_id="account-1", user_id="user-1", assurance=Assurance.HIGH, role=Role.COLLEAGUE
    )


def test_A10_an_application_goes_as_its_form_and_its_attachments() -> None:
    submitted = USER.submitted(CASE, APPLICATION, None)
    assert type(submitted.form) is Form
    assert submitted.attachments == APPLICATION.attachments != ()
    assert Application(**dict(submitted.form), attachments=submitted.attachments) == APPLICATION


def test_A2_the_id_of_a_request_for_revocation_is_its_records_and_every_other_record_has_its_own() -> None:
    request = USER.revocation(CASE, "4d8a", RevocationReason.KEY_EXPOSED)
    assert record_of(request).id == request.request_id
    assert record_of(request, id=(other := uuid4())).id == other
    assert len({record_of(USER.withdrawn(CASE)).id for _ in range(3)}) == 3


def test_the_time_and_the_source_of_a_record_may_be_given() -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC)
    record = record_of(USER.withdrawn(CASE), time=then, source="/canary")
    envelope, _ = decode(record.topic, record.key, record.headers, record.value)
    assert (envelope.time, envelope.source) == (then, "/canary")
