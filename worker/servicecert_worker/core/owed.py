"""What a service's tables owe to its topics: the events that they had and can be made again, should Kafka lose them.

An event that is made again has the id of its content, so each run makes the same. Its readers tell by the content, not
by the id, that they know it: it changes nothing for them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID, uuid5

from servicecert_schemas.case import CaseChanged
from servicecert_schemas.certificate import (
    AcceptedWithdrawn,
    ApplicationAccepted,
    CertificateIssued,
    CertificateVoided,
    IssuingRefused,
    IssuingStopped,
)
from servicecert_schemas.deadline import DeadlineWarned
from servicecert_schemas.event import EventData
from servicecert_schemas.mail import MailBounced, MailGivenUp, MailHandedOver, MailRefused
from servicecert_schemas.operators import AuditCheckpoint
from servicecert_schemas.revocation import (
    CertificateRevoked,
    KeyCompromised,
    RevocationRegistered,
    RevocationRequested,
    StandingChanged,
)
from servicecert_schemas.topics import unversioned

_CONTENTS = UUID("b1a7a2f0-0f7e-4d0b-8f5a-6a0a5b7b4c39")

_TOLD_APART_BY: Mapping[type[EventData], tuple[str, ...]] = MappingProxyType(
    {
        CaseChanged: ("version",),
        ApplicationAccepted: ("decision_id",),
        AcceptedWithdrawn: (),
        CertificateIssued: ("issuer", "serial"),
        IssuingRefused: ("code",),
        IssuingStopped: ("code",),
        CertificateVoided: ("issuer", "serial"),
        DeadlineWarned: ("kind", "mark", "proposal_id"),
        RevocationRequested: ("request_id",),
        RevocationRegistered: ("request_id",),
        CertificateRevoked: ("request_id",),
        KeyCompromised: (),
        StandingChanged: ("standing", "reason", "invalid_since"),
        MailHandedOver: ("mail_id",),
        MailRefused: ("mail_id",),
        MailGivenUp: ("mail_id",),
        MailBounced: ("mail_id",),
        AuditCheckpoint: ("number", "text"),
    }
)
"""The members that tell events of one type and key apart. Texts of another version, or a copy, say nothing new."""


@dataclass(frozen=True, slots=True)
class Owed:
    """An event that the tables owe. `at` is when it happened, as nearly as the tables know: the same each time."""

    data: EventData
    at: datetime


def is_owed(type: type[EventData]) -> bool:
    return type in _TOLD_APART_BY


def content_id(data: EventData) -> UUID:
    """Return the id of an event's content, the same in every version of its type.

    Raise `KeyError` for a type that is never made again.
    """
    apart = [str(getattr(data, name)) for name in _TOLD_APART_BY[type(data)]]
    return uuid5(_CONTENTS, json.dumps([unversioned(data.TYPE), data.key(), *apart]))


class Known:
    """The contents that the topics have, or that wait in the outbox, in little memory: there may be millions."""

    def __init__(self, contents: Iterable[EventData] = ()) -> None:
        self._ids: set[bytes] = set()
        for data in contents:
            self.add(data)

    def add(self, data: EventData) -> None:
        """Add an event; one that is never made again is left out."""
        if is_owed(type(data)):
            self._ids.add(content_id(data).bytes)

    def __contains__(self, data: EventData) -> bool:
        return content_id(data).bytes in self._ids
