"""E3: what may hold personal data is known from the types, and no topic can keep it for ever."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, ClassVar

import pytest
from servicecert_schemas.application import Orderer
from servicecert_schemas.case import CaseChanged
from servicecert_schemas.event import CaseEvent, EventData
from servicecert_schemas.mail import MailEvent
from servicecert_schemas.topics import ACCOUNTS, CASES, CATALOGUE, DEADLINES, REGISTERS, Topic
from servicecert_schemas.values import (
    NAMES_NOBODY,
    AddressText,
    BusinessId,
    Count,
    CsrText,
    EmailAddress,
    Identifier,
    Instant,
    LongText,
    PublicText,
    Text,
    Texts,
    UserId,
    personal_fields,
)


class Told(EventData):
    """An event to be declared with one more field."""

    TYPE: ClassVar[str] = "servicecert.test.told.v1"

    account_id: Identifier
    at: Instant

    def key(self) -> str:
        return self.account_id


def with_field(kind: Any, base: type[EventData] = Told) -> type[EventData]:
    return type("ToldMore", (base,), {"__annotations__": {"more": kind}, "TYPE": Told.TYPE})


@pytest.mark.parametrize(
    "kind", [str, Text, LongText, AddressText, EmailAddress, CsrText, Texts, Orderer, dict[str, int], tuple[Text, ...]]
)
@pytest.mark.parametrize("topic", [ACCOUNTS, REGISTERS, CASES], ids=lambda topic: topic.name)
def test_E3_no_topic_that_erasing_does_not_reach_can_have_an_event_with_a_new_text(topic: Topic, kind: Any) -> None:
    told = with_field(kind | None)
    with pytest.raises(ValueError, match=f"{topic.name} keeps servicecert.test.told.v1, where more may"):
        replace(topic, events=(*topic.events, told))
    assert told in replace(DEADLINES, events=(told,)).personal


@pytest.mark.parametrize(
    "kind",
    [Count, BusinessId, UserId, PublicText, Annotated[Texts, NAMES_NOBODY], tuple[Identifier, ...]],
)
def test_E3_what_names_nobody_can_be_kept_for_ever(kind: Any) -> None:
    assert personal_fields(with_field(kind)) == []
    assert not replace(ACCOUNTS, events=(*ACCOUNTS.events, with_field(kind | None))).personal


def test_E3_a_topic_with_personal_data_is_kept_for_a_year_at_most_or_its_cases_are_erased() -> None:
    told = with_field(EmailAddress)
    for retention in (None, timedelta(days=366)):
        with pytest.raises(ValueError, match="deadlines keeps"):
            replace(DEADLINES, events=(told,), retention=retention)
    in_case = with_field(EmailAddress, CaseEvent)
    assert in_case in replace(CASES, events=(in_case,)).personal
    for unreached in (replace(CASES, events=()), REGISTERS):
        with pytest.raises(ValueError, match="keeps"):
            replace(unreached, events=(in_case,), writers=unreached.writers[:1])


def test_E3_the_rule_knows_the_fields_of_the_catalogue() -> None:
    assert {topic.name for topic in CATALOGUE if topic.personal} >= {
        "applications",
        "accepted-applications",
        "certificates",
        "certificate-status",
        "revocations",
        "cases",
    }
    assert {"recipients", "applied_for", "deficiencies"} <= set(CASES.personal[CaseChanged])
    assert not {"account_id", "state", "history", "certificate"} & set(CASES.personal[CaseChanged])
    assert personal_fields(MailEvent) == [], "open lists, times and numbers"


@pytest.mark.parametrize("event", [event for topic in CATALOGUE for event in topic.events], ids=lambda it: it.TYPE)
def test_E3_B6_the_audit_keeps_no_field_that_may_be_personal(event: type[EventData]) -> None:
    assert not set(event.AUDITED) & set(personal_fields(event))
