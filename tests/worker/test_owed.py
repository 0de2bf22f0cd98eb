"""I2: an event that is made again is told by its content, whatever its id and the version of its texts."""

from __future__ import annotations

from typing import Any

import pytest
from servicecert_schemas.case import CaseChanged, EventRefused
from servicecert_schemas.certificate import CertificateIntended, CertificateIssued, IssuingRefused
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.operators import RecordParked
from servicecert_schemas.responder import ResponderCertified, ResponderRequested
from servicecert_schemas.revocation import (
    CertificateRevoked,
    CrlPublished,
    KeyCompromised,
    RevocationRefused,
    StandingsCounted,
)
from servicecert_schemas.topics import CATALOGUE
from servicecert_worker.core.owed import Known, content_id, is_owed
from services.handler import example

OTHERS: dict[type[EventData], dict[str, Any]] = {
    CaseChanged: {"version": 99},
    CertificateIssued: {"serial": "4d8a31f07c5be29461a0d3c97e18f2b6"},
    IssuingRefused: {"code": "another"},
    CertificateRevoked: {"request_id": "0b0b7c61-50a5-4f5d-a1a6-3d7e3f1b9b11"},
    MailHandedOver: {"mail_id": "0b0b7c61-50a5-4f5d-a1a6-3d7e3f1b9b11"},
    KeyCompromised: {"key_sha256": "7" * 64},
}
SAME: dict[type[EventData], dict[str, Any]] = {
    CaseChanged: {"next_step": {"sv": "a", "fi": "b", "en": "c"}},
    CertificateIssued: {"recipients": []},
    IssuingRefused: {"texts": {"sv": "a", "fi": "b", "en": "c"}},
    CertificateRevoked: {"crl_number": 99},
    MailHandedOver: {"attempts": 9},
    KeyCompromised: {"known_at": "2020-01-01T00:00:00Z"},
}
NOT_OWED: dict[type[EventData], str] = {
    CertificateIntended: "what it announces is in the table, and its end is owed",
    CrlPublished: "the next CRL is published anew",
    EventRefused: "no table keeps an answer that no case shows: who misses it acts again",
    RecordParked: "the record itself is in the table",
    ResponderCertified: "a responder asks again",
    ResponderRequested: "responders write it",
    RevocationRefused: "who misses it asks again",
    StandingsCounted: "each pass counts anew",
}


def test_I2_each_event_of_a_service_is_owed_or_says_why_not() -> None:
    written = {event for topic in CATALOGUE if topic.services for event in topic.events}
    assert {event for event in written if not is_owed(event)} == NOT_OWED.keys()


@pytest.mark.parametrize("event", OTHERS)
def test_I2_an_event_is_known_by_what_tells_it_apart(event: type[EventData]) -> None:
    known = Known([example(event)])
    assert example(event, **SAME[event]) in known
    assert example(event, **OTHERS[event]) not in known
    assert content_id(example(event)) == content_id(example(event, **SAME[event]))


def test_an_event_that_no_table_keeps_is_left_out() -> None:
    refused = example(EventRefused)
    assert not is_owed(type(refused))
    Known().add(refused)
