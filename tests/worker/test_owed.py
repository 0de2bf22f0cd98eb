"""I2: an event that is made again is told by its content, whatever its id and the version of its texts."""

from __future__ import annotations

from typing import Any

import pytest
from servicecert_schemas.case import CaseChanged, EventRefused
from servicecert_schemas.certificate import CertificateIssued, IssuingRefused
from servicecert_schemas.compromise import KeyCompromised
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailHandedOver
from servicecert_schemas.revocation import CertificateRevoked
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
